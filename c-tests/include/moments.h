/* What another process does in the middle of a call: at the entry of each system call that it makes, one after the
 * other. The call's own process is stopped there by ptrace. */
#ifndef MOMENTS_H
#define MOMENTS_H

#include <signal.h>
#include <sys/ptrace.h>

#include "program.h"

/* The call begins. By a raw call: raise makes others behind it. */
static void begin(void)
{
	CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	CHECK(raw_syscall(SYS_kill, getpid(), SIGSTOP, 0, 0, 0, 0) == 0);
}

/* Goes on to the next entry of a system call; 0 if there was none. */
static int next_entry(pid_t child)
{
	struct __ptrace_syscall_info info;
	int status;
	do {
		CHECK(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0 && waitpid(child, &status, 0) == child);
		if (!WIFSTOPPED(status)) {
			CHECK(status == 0);
			return 0;
		}
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) > 0);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY);
	return 1;
}

struct moments {
	int all, undone;
};

/* Has `call`, which begins with begin(), made by a process of its own, once for each of its moments; how often
 * `is_undone` afterwards what was done `meanwhile`. */
static struct moments moments(void (*prepare)(void), void (*call)(void), void (*meanwhile)(void), int (*is_undone)(void))
{
	struct moments found = { 0, 0 };
	for (;;) {
		int status, at = 0;
		prepare();
		pid_t child = fork();
		if (child == 0) {
			call();
			_exit(0);
		}
		CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status));
		CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
		while (at <= found.all && next_entry(child))
			at++;
		if (at <= found.all) {
			fprintf(stderr, "undone at %d of %d moments\n", found.undone, found.all);
			return found;
		}
		meanwhile();
		CHECK(ptrace(PTRACE_DETACH, child, 0, 0) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		found.all++;
		found.undone += is_undone();
	}
}

#endif
