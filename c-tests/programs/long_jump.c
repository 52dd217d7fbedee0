/* A signal handler leaves by siglongjmp whatever call it interrupted, 2,000 times. Nothing of the library may
 * stay half done: the lock works as before afterwards. */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "program.h"

static sigjmp_buf start;
static volatile sig_atomic_t jumps;

static void handler(int number)
{
	(void)number;
	jumps++;
	siglongjmp(start, 1);
}

int main(void)
{
	char sibling[4096], in_dir[4096];
	struct stat status;
	struct sigaction action;
	sigset_t alarms;
	strcpy(sibling, SIBLING);
	strcpy(in_dir, IN_DIR);
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	CHECK(sigaction(SIGALRM, &action, 0) == 0);
	CHECK(mkdir(sibling, 0777) == 0);
	const struct itimerval often = { { 0, 200 }, { 0, 200 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	/* The signals before the first jump would have nowhere to go. And the mask is restored here, not by the jump: the
	 * next signal would come in the midst of it, and the stack grow with each on a busy machine. */
	if (sigsetjmp(start, 0) == 0)
		CHECK(setitimer(ITIMER_REAL, &often, 0) == 0);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	CHECK(sigprocmask(SIG_UNBLOCK, &alarms, 0) == 0);
	while (jumps < 2000) {
		access("missing.lock", F_OK);
		stat(sibling, &status);
		stat(in_dir, &status);
		utimensat(AT_FDCWD, sibling, 0, 0);
		mkdir(sibling, 0777);
		syscall(SYS_faccessat, AT_FDCWD, sibling, F_OK);
	}
	CHECK(setitimer(ITIMER_REAL, &never, 0) == 0);
	CHECK(asked_from_outside(sibling) == EEXIST);
	CHECK(rmdir(sibling) == 0);
	CHECK(!guard_is_locked());
	for (int i = 0; i < 10; i++) {
		CHECK(mkdir(sibling, 0777) == 0 && mkdir(sibling, 0777) == -1 && rmdir(sibling) == 0);
		CHECK(mkdir(in_dir, 0777) == 0 && rmdir(in_dir) == 0);
	}
	return 0;
}
