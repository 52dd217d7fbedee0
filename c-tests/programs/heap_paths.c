/* Paths in pieces of the heap and of the stack whose neighbours have no value, or no owner: a checker of memory has
 * nothing to say about them. */
#include "program.h"

static void use(const char *path)
{
	CHECK(mkdir(path, 0777) == -1);
	CHECK(rename(path, path) == -1);
	CHECK(utimensat(AT_FDCWD, path, 0, 0) == -1);
	CHECK(unlinkat(AT_FDCWD, path, AT_REMOVEDIR) == -1);
}

int main(void)
{
	char on_stack[256];
	for (int length = 0; length < 70; length++) {
		/* The end of the path is the end of the piece; then it is not. */
		for (int rest = 0; rest < 64; rest += 21) {
			char *path = malloc(8 + length + 1 + rest);
			memcpy(path, "no/such/", 8);
			memset(path + 8, 'a', length);
			path[8 + length] = '\0';
			use(path);
			use(path + 8 + length);
			free(path);
		}
		char *path = on_stack + length % 17;
		snprintf(path, sizeof on_stack - 17, "no/such/%0*d", length, 0);
		use(path);
	}
	/* The lock itself, too. */
	char *lock = strdup(SIBLING);
	CHECK(mkdir(lock, 0777) == 0 && utimensat(AT_FDCWD, lock, 0, 0) == 0 && rmdir(lock) == 0);
	free(lock);
	return 0;
}
