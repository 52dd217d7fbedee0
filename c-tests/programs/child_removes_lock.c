/* A holder's forked child removes the lock: it is a directory, anyone may. For the parent the lock is gone
 * from then on: it sees so, its rmdir says so, and it can take the lock again. */
#include "program.h"

static void check(const char *lock)
{
	struct stat status;
	int code;
	CHECK(mkdir(lock, 0777) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(rmdir(lock) == 0 ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &code, 0) == child);
	CHECK(WIFEXITED(code) && WEXITSTATUS(code) == 0);
	CHECK(stat(lock, &status) == -1 && errno == ENOENT);
	CHECK(utimensat(AT_FDCWD, lock, 0, 0) == -1 && errno == ENOENT);
	int asked = asked_from_outside(lock);
	if (asked != 0)
		fprintf(stderr, "%s: another process was answered %d\n", lock, asked);
	CHECK(asked == 0);
	CHECK(rmdir(lock) == -1 && errno == ENOENT);
	CHECK(mkdir(lock, 0777) == 0);
	CHECK(asked_from_outside(lock) == EEXIST);
	CHECK(rmdir(lock) == 0);
}

int main(void)
{
	check(SIBLING);
	check(IN_DIR);
	return 0;
}
