/* A host that closes every descriptor while it holds the lock, and opens others in their place: the lock stays
 * held, can be given back, and nothing of the host's is closed. A cycle leaves no descriptor behind. */
#include <dirent.h>

#include "program.h"

static int count(void)
{
	int entries = 0;
	DIR *directory = opendir("/proc/self/fd");
	CHECK(directory != 0);
	while (readdir(directory) != 0)
		entries++;
	closedir(directory);
	return entries;
}

static void by_loop(void)
{
	for (int fd = 3; fd < 70000; fd++)
		close(fd);
}

static void by_range(void)
{
	CHECK(syscall(SYS_close_range, 3L, ~0UL, 0L) == 0);
}

static void by_raw_range(void)
{
	CHECK(raw_syscall(SYS_close_range, 3, 0xffffffffL, 0, 0, 0, 0) == 0);
}

static void by_closefrom(void)
{
	closefrom(3);
}

#define HOST 200

static void check(const char *lock, void (*close_all)(void))
{
	struct stat before, after;
	CHECK(mkdir(lock, 0777) == 0);
	close_all();
	CHECK(asked_from_outside(lock) == EEXIST);
	int fds[HOST];
	for (int i = 0; i < HOST; i++) {
		fds[i] = raw_open("file", O_RDONLY, 0);
		CHECK(fds[i] >= 0);
	}
	CHECK(fstat(fds[0], &before) == 0);
	CHECK(asked_from_outside(lock) == EEXIST);
	CHECK(rmdir(lock) == 0);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR));
	CHECK(!guard_is_locked());
	for (int i = 0; i < HOST; i++) {
		CHECK(fstat(fds[i], &after) == 0 && after.st_ino == before.st_ino);
		raw_close(fds[i]);
	}
	CHECK(asked_from_outside(lock) == 0);
	CHECK(mkdir(lock, 0777) == 0 && rmdir(lock) == 0);
}

int main(void)
{
	/* What the caller left open is closed below. */
	by_raw_range();
	int before = count();
	for (int i = 0; i < 300; i++) {
		CHECK(mkdir(SIBLING, 0777) == 0 && mkdir(SIBLING, 0777) == -1 && rmdir(SIBLING) == 0);
		CHECK(mkdir(IN_DIR, 0777) == 0 && mkdir(IN_DIR, 0777) == -1 && rmdir(IN_DIR) == 0);
	}
	CHECK(count() == before);
	void (*const ways[])(void) = { by_loop, by_range, by_raw_range, by_closefrom };
	for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		check(SIBLING, ways[i]);
		check(IN_DIR, ways[i]);
	}
	CHECK(count() == before);
	return 0;
}
