#include <limits.h>
#include <stdlib.h>

#include "snippet.h"

EXACT(char *, realpath, (const char *, char *));

#define REALPATH CALL(realpath)
#include "families/realpath.h"

static void allocated(const char *label, const char *path)
{
	errno = ERRNO_SENTINEL;
	char *result = CALL(realpath)(path, 0);
	int error = errno;
	record_result(label, result != 0, error);
	if (result != 0)
		record_path("is", result);
	free(result);
}

static void plain_and_allocated(void)
{
	plain();
	each_path(allocated, GOOD_POINTERS);
}

static void on_lock_and_allocated(const char *lock)
{
	on_lock(lock);
	allocated("allocated", lock);
}

SNIPPET(realpath, ALLOCATES, plain_and_allocated, on_lock_and_allocated);
