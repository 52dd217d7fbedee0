/* A 1 kHz timer whose handler makes hooked calls, also on the lock, while threads take and release it. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "program.h"

static char lock[4096];
static atomic_int storms;
static atomic_int wrong;
static atomic_int holders;

static void handler(int number)
{
	(void)number;
	int error = errno;
	struct stat status;
	errno = 4242;
	if (access("file.lock", F_OK) != 0 || errno != 4242)
		atomic_fetch_add(&wrong, 1);
	if (stat("missing.lock", &status) != -1 || errno != ENOENT)
		atomic_fetch_add(&wrong, 1);
	if (stat(lock, &status) != 0 && errno != ENOENT)
		atomic_fetch_add(&wrong, 1);
	if (utimensat(AT_FDCWD, lock, 0, 0) != 0 && errno != ENOENT)
		atomic_fetch_add(&wrong, 1);
	if (syscall(SYS_faccessat, AT_FDCWD, "file.json", F_OK) != 0)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&storms, 1);
	errno = error;
}

static void *thread(void *unused)
{
	const struct timespec pause = { 0, 20000 };
	while (atomic_load(&storms) < 1500) {
		if (mkdir(lock, 0777) == 0) {
			CHECK(atomic_fetch_add(&holders, 1) == 0);
			atomic_fetch_sub(&holders, 1);
			CHECK(rmdir(lock) == 0);
		} else {
			CHECK(errno == EEXIST);
		}
		nanosleep(&pause, 0);
	}
	return unused;
}

int main(void)
{
	pthread_t threads[3];
	struct sigaction action;
	alarm(50); /* the watchdog */
	strcpy(lock, SIBLING);
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	CHECK(sigaction(SIGUSR1, &action, 0) == 0);
	struct sigevent event;
	timer_t timer;
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGUSR1;
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	const struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	CHECK(timer_settime(timer, 0, &often, 0) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], 0, thread, 0) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], 0) == 0);
	CHECK(timer_delete(timer) == 0);
	CHECK(atomic_load(&wrong) == 0);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR) && !guard_is_locked());
	return 0;
}
