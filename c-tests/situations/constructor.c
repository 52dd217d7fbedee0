/* The constructor of a library that the program is linked with. It runs before those of preloaded libraries:
 * nothing of ours has been initialised by then. The Makefile links this file into a shared library and
 * constructor_main.c against it. */
#include "raw.h"
#include "snippet.h"

int constructor_ran;

__attribute__((constructor)) static void before_everyone(void)
{
	run_snippet(chosen_snippet());
	constructor_ran = 1;
}
