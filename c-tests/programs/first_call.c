/* Sixteen threads make the process's first hooked calls at the same moment, each another one. */
#include <pthread.h>
#include <sys/syscall.h>

#include "program.h"

#define THREADS 16

static pthread_barrier_t barrier;

static void *thread(void *argument)
{
	char buffer[4096];
	struct stat status;
	long number = (long)argument;
	pthread_barrier_wait(&barrier);
	switch (number % 8) {
	case 0: CHECK(mkdir(SIBLING, 0777) == 0 || errno == EEXIST); break;
	case 1: CHECK(stat("missing.lock", &status) == -1 && errno == ENOENT); break;
	case 2: CHECK(syscall(SYS_getpid) == getpid()); break;
	case 3: CHECK(open("missing.lock", O_RDONLY) == -1 && errno == ENOENT); break;
	case 4: CHECK(access("file.lock", F_OK) == 0); break;
	case 5: CHECK(readlink("link", buffer, sizeof buffer) == 9); break;
	case 6: CHECK(rmdir("missing.lock") == -1 && errno == ENOENT); break;
	default: CHECK(syscall(SYS_faccessat, AT_FDCWD, "file.lock", F_OK) == 0); break;
	}
	return 0;
}

int main(void)
{
	pthread_t threads[THREADS];
	CHECK(pthread_barrier_init(&barrier, 0, THREADS) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], 0, thread, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], 0) == 0);
	CHECK(rmdir(SIBLING) == 0);
	return 0;
}
