/* The child of a process that has other threads, which are inside hooked calls at that moment. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "snippet.h"

static atomic_int stop;
static atomic_int running;

static void *caller(void *unused)
{
	atomic_fetch_add(&running, 1);
	while (!atomic_load(&stop)) {
		access("never-made.lock", F_OK);
		rmdir("never-made.lock");
	}
	return unused;
}

int main(void)
{
	/* The library opens the config directory once, the first time that a name like this one is made or removed. A
	 * child that is forked at that very moment inherits the descriptor, as it would one of the host's own. */
	rmdir("never-made.lock");
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], 0, caller, 0) != 0)
			return 66;
	while (atomic_load(&running) != 2)
		usleep(100);
	pid_t child = fork();
	if (child == 0) {
		run_snippet(chosen_snippet());
		raw_exit(record_write() == 0 ? 0 : 65);
	}
	int status = -1;
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 66;
	atomic_store(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 67;
}
