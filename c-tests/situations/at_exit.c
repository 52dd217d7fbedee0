/* An atexit handler. */
#include <stdlib.h>

#include "raw.h"
#include "snippet.h"

static void handler(void)
{
	run_snippet(chosen_snippet());
	if (record_write() != 0)
		raw_exit(65);
}

int main(void)
{
	return atexit(handler) == 0 ? 0 : 66;
}
