/* ask LOCK: one attempt to take a lock; the exit code is the errno, or 0 once it is given back. */
#include "program.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (mkdir(argv[1], 0777) != 0)
		return errno;
	CHECK(rmdir(argv[1]) == 0);
	return 0;
}
