/* A thread with the smallest stack that the libc allows. */
#include <limits.h>
#include <pthread.h>

#include "snippet.h"

static void *thread(void *snippet)
{
	run_snippet(snippet);
	return 0;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t id;
	/* musl says 2048, on which its own realpath dies. */
	size_t size = PTHREAD_STACK_MIN < 16384 ? 16384 : (size_t)PTHREAD_STACK_MIN;
	if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstacksize(&attributes, size) != 0)
		return 66;
	if (pthread_create(&id, &attributes, thread, (void *)chosen_snippet()) != 0 || pthread_join(id, 0) != 0)
		return 66;
	return record_write() == 0 ? 0 : 65;
}
