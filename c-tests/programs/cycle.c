/* cycle [LOCK]: the whole life of a lock as npm proper-lockfile leads it, some allocation in between. */
#include <time.h>

#include "program.h"

static void cycle(const char *lock)
{
	struct stat status;
	struct timespec times[2];
	CHECK(mkdir(lock, 0777) == 0);
	CHECK(mkdir(lock, 0777) == -1 && errno == EEXIST);
	for (int beat = 0; beat < 3; beat++) {
		clock_gettime(CLOCK_REALTIME, &times[0]);
		times[0].tv_nsec = 5000000;
		times[1] = times[0];
		CHECK(utimensat(AT_FDCWD, lock, times, 0) == 0);
		free(malloc(100000));
		CHECK(stat(lock, &status) == 0);
		CHECK(status.st_mtim.tv_sec == times[1].tv_sec && status.st_mtim.tv_nsec == 5000000);
	}
	CHECK(rmdir(lock) == 0);
	CHECK(rmdir(lock) == -1 && errno == ENOENT);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR));
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		cycle(argv[1]);
		return 0;
	}
	cycle(SIBLING);
	cycle(IN_DIR);
	return 0;
}
