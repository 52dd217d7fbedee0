/* The destructor of a thread's key: its thread-locals are being taken down. */
#include <pthread.h>

#include "snippet.h"

static pthread_key_t key;

static void destructor(void *snippet)
{
	run_snippet(snippet);
}

static void *thread(void *snippet)
{
	pthread_setspecific(key, snippet);
	return 0;
}

int main(void)
{
	pthread_t id;
	if (pthread_key_create(&key, destructor) != 0 ||
	    pthread_create(&id, 0, thread, (void *)chosen_snippet()) != 0 || pthread_join(id, 0) != 0)
		return 66;
	return record_write() == 0 ? 0 : 65;
}
