/* A library that starts a thread before the library under test gets to start: preloaded behind it, it is
 * initialized before it. */
#include <pthread.h>
#include <unistd.h>

static void *sleeper(void *unused)
{
	for (;;)
		pause();
	return unused;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;
	if (pthread_create(&thread, 0, sleeper, 0) != 0)
		_exit(98);
}
