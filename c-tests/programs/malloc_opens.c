/* build: -shared -fPIC */
/* A malloc that opens a file on its first use, under a lock that is not recursive: whoever allocates inside
 * the hook that this open goes through comes back here, and the process ends. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "raw.h"

static char arena[1 << 24];
static size_t used;
static volatile char locked;
static char opened;

static void lock(void)
{
	static const char message[] = "malloc was entered again from the open inside it\n";
	/* One thread only: a locked lock is our own. */
	if (locked) {
		raw_write(2, message, sizeof message - 1);
		raw_exit(3);
	}
	locked = 1;
}

void *malloc(size_t size)
{
	lock();
	if (!opened) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			raw_exit(4);
		close(fd);
		opened = 1;
	}
	size_t rounded = (size + 31) & ~(size_t)15;
	if (rounded > sizeof arena - used)
		raw_exit(5);
	*(size_t *)(arena + used) = size;
	void *block = arena + used + 16;
	used += rounded;
	locked = 0;
	return block;
}

void free(void *block)
{
	(void)block;
}

void *calloc(size_t count, size_t size)
{
	/* Never given back, so never used before: zero already. */
	return malloc(count * size);
}

void *realloc(void *block, size_t size)
{
	void *larger = malloc(size);
	if (block != 0) {
		size_t old = *(size_t *)((char *)block - 16);
		memcpy(larger, block, old < size ? old : size);
	}
	return larger;
}
