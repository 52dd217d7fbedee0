/* Runs the snippet in the handler of a timer's signal that interrupts hooked calls. */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "snippet.h"

static const struct snippet *snippet;
static atomic_int ran;

static void handler(int number)
{
	(void)number;
	int error = errno;
	run_snippet(snippet);
	atomic_store(&ran, 1);
	errno = error;
}

static int interrupt(int flags)
{
	snippet = chosen_snippet();
	if (snippet->kind == ALLOCATES)
		return 77;
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	struct itimerval soon = { { 0, 0 }, { 0, 2000 } };
	if (sigaction(SIGALRM, &action, 0) != 0 || setitimer(ITIMER_REAL, &soon, 0) != 0)
		return 66;
	while (!atomic_load(&ran)) {
		access("never-made.lock", F_OK);
		rmdir("never-made.lock");
	}
	return record_write() == 0 ? 0 : 65;
}
