/* The plain case. */
#include "snippet.h"

int main(void)
{
	run_snippet(chosen_snippet());
	return record_write() == 0 ? 0 : 65;
}
