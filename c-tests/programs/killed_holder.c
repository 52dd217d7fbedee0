/* A holder is killed while a child of it lives on. The guard must be free at once, and with the library the
 * lock can be taken over at once: its owner is proven dead. */
#include <signal.h>

#include "program.h"

enum child_kind {
	IDLE,     /* forked, makes no call */
	CALLING,  /* forked, goes through hooks */
	EXECUTED, /* has executed another program */
};

static void child(const char *lock, enum child_kind kind, int ready)
{
	struct stat status;
	if (kind == CALLING)
		CHECK(stat(lock, &status) == 0 && access(lock, F_OK) == 0);
	if (kind == EXECUTED) {
		char number[16];
		snprintf(number, sizeof number, "%d", ready);
		execl("/proc/self/exe", "child", number, (char *)0);
		_exit(1);
	}
	pid_t pid = getpid();
	CHECK(write(ready, &pid, sizeof pid) == sizeof pid);
	for (;;)
		pause();
}

static void check(const char *lock, enum child_kind kind)
{
	int ready[2];
	pid_t child_pid;
	CHECK(pipe(ready) == 0);
	pid_t holder = fork();
	if (holder == 0) {
		CHECK(mkdir(lock, 0777) == 0);
		if (fork() == 0)
			child(lock, kind, ready[1]);
		for (;;)
			pause();
	}
	CHECK(holder > 0);
	close(ready[1]);
	CHECK(read(ready[0], &child_pid, sizeof child_pid) == sizeof child_pid);
	close(ready[0]);
	CHECK(guard_is_locked() == active());
	CHECK(kill(holder, SIGKILL) == 0 && waitpid(holder, 0, 0) == holder);
	int locked = guard_is_locked();
	int alive = kill(child_pid, 0) == 0;
	CHECK(on_disk(lock));
	int asked = asked_from_outside(lock);
	kill(child_pid, SIGKILL);
	if (locked)
		fprintf(stderr, "child kind %d keeps the guard\n", kind);
	CHECK(alive && !locked);
	CHECK(asked == (active() ? 0 : EEXIST));
	if (!active())
		CHECK(rmdir(lock) == 0);
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		pid_t pid = getpid();
		CHECK(write(atoi(argv[1]), &pid, sizeof pid) == sizeof pid);
		for (;;)
			pause();
	}
	alarm(30); /* the watchdog */
	for (enum child_kind kind = IDLE; kind <= EXECUTED; kind++) {
		check(SIBLING, kind);
		check(IN_DIR, kind);
	}
	return 0;
}
