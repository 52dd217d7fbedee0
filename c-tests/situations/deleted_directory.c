/* The working directory no longer exists. */
#include "raw.h"
#include "snippet.h"

int main(void)
{
	if (raw_mkdir("gone", 0700) != 0 || raw_chdir("gone") != 0 || raw_rmdir(in_root("/work/gone")) != 0)
		return 66;
	run_snippet(chosen_snippet());
	return record_write() == 0 ? 0 : 65;
}
