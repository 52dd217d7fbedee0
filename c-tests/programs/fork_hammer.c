/* fork_hammer FORKS: threads take and release the lock while the main thread forks; each child does what
 * libuv's does between fork and exec (opens /dev/null), then executes a program. Never two holders; nothing
 * hangs (a watchdog's alarm ends the process). */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "program.h"

#define THREADS 4

static atomic_int stop;
static atomic_int holders;
static atomic_long cycles;
static char lock[4096];

static void *hammer(void *unused)
{
	const struct timespec pause = { 0, 50000 };
	while (!atomic_load(&stop)) {
		if (mkdir(lock, 0777) != 0) {
			CHECK(errno == EEXIST);
			nanosleep(&pause, 0);
			continue;
		}
		CHECK(atomic_fetch_add(&holders, 1) == 0);
		struct stat status;
		CHECK(stat(lock, &status) == 0);
		atomic_fetch_sub(&holders, 1);
		CHECK(rmdir(lock) == 0);
		atomic_fetch_add(&cycles, 1);
		nanosleep(&pause, 0);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	if (argc == 1)
		return 0; /* what the children execute */
	alarm(50);
	strcpy(lock, SIBLING);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], 0, hammer, 0) == 0);
	for (long forks = atol(argv[1]); forks > 0; forks--) {
		pid_t child = fork();
		if (child == 0) {
			if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
				_exit(1);
			if (access(lock, F_OK) != 0 && errno != ENOENT)
				_exit(2);
			execl("/proc/self/exe", "child", (char *)0);
			_exit(3);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], 0) == 0);
	CHECK(atomic_load(&cycles) > 0);
	CHECK(!on_disk(SIBLING) && !on_disk(IN_DIR));
	CHECK(!guard_is_locked());
	return 0;
}
