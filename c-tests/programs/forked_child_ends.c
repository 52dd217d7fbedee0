/* A holder forks and its child ends without exec. Whatever the child did with what it inherited, the parent
 * holds the lock afterwards, and can give it back. */
#include <signal.h>

#include "program.h"

static void close_everything(void)
{
	for (int fd = 0; fd < 4096; fd++)
		close(fd);
}

static void look_at_lock(void)
{
	struct stat status;
	if (stat(SIBLING, &status) != 0 || mkdir(SIBLING, 0777) != -1 || errno != EEXIST)
		_exit(1);
}

static void touch_lock(void)
{
	if (utimensat(AT_FDCWD, SIBLING, 0, 0) != 0)
		_exit(1);
}

static void kill_itself(void)
{
	raise(SIGKILL);
}

static void do_nothing(void)
{
}

static void check(const char *lock, const char *name, void (*child_does)(void), int by_exit)
{
	if (mkdir(lock, 0777) != 0) {
		fprintf(stderr, "%s: mkdir: errno %d\n", name, errno);
		_exit(1);
	}
	pid_t child = fork();
	if (child == 0) {
		child_does();
		/* exit runs the handlers and destructors that a fork inherits. */
		if (by_exit)
			exit(0);
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(child_does == kill_itself ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(guard_is_locked() == active());
	CHECK(asked_from_outside(lock) == EEXIST);
	CHECK(rmdir(lock) == 0);
	CHECK(!guard_is_locked());
	CHECK(asked_from_outside(lock) == 0);
}

int main(void)
{
	check(SIBLING, "exit", do_nothing, 1);
	check(SIBLING, "_exit", do_nothing, 0);
	check(SIBLING, "close", close_everything, 1);
	check(SIBLING, "look", look_at_lock, 1);
	check(SIBLING, "touch", touch_lock, 1);
	check(SIBLING, "kill", kill_itself, 0);
	check(IN_DIR, "exit", do_nothing, 1);
	check(IN_DIR, "close", close_everything, 1);
	check(IN_DIR, "kill", kill_itself, 0);
	return 0;
}
