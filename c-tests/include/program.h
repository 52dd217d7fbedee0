/* What the programs share: the paths of the lock, checks, and a look at the lock from outside.
 * A program ends with 0 (passed), 77 after printing a reason (skipped), or 1 after saying what failed. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: failed: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

__attribute__((unused)) static const char *home(const char *suffix)
{
	static char paths[4][4096];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s%s", getenv("HOME"), suffix);
	return path;
}

#define SIBLING home("/.claude.lock")
#define IN_DIR home("/.claude/.oauth_refresh.lock")
#define GUARD home("/.claude/.lockspan/oauth_refresh.guard")

/* Whether the library is there and not told to stay out. */
__attribute__((unused)) static int active(void)
{
	return strcmp(getenv("TEST_MODE"), "active") == 0;
}

/* By raw calls: what is on the disk, not what the library shows. */
__attribute__((unused)) static int on_disk(const char *path)
{
	return raw_syscall(SYS_faccessat, AT_FDCWD, (long)path, F_OK, 0, 0, 0) == 0;
}

/* Whether somebody holds the guard's flock: a second open of the file is refused. */
__attribute__((unused)) static int guard_is_locked(void)
{
	int fd = raw_open(GUARD, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	long result = raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0);
	raw_close(fd);
	return result == -EWOULDBLOCK;
}

/* Another program of this directory, as another process: its exit code, or 256 if it did not exit. */
__attribute__((unused)) static int run_beside(const char *program, const char *argument)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	CHECK(length > 0);
	path[length] = '\0';
	strcpy(strrchr(path, '/') + 1, program);
	pid_t child = fork();
	if (child == 0) {
		execl(path, program, argument, (char *)0);
		_exit(126);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

/* What another process gets that asks for the lock: 0, after which it has given it back, or the errno. */
__attribute__((unused)) static int asked_from_outside(const char *lock)
{
	return run_beside("ask", lock);
}

#endif
