/* creat and creat64. CREAT must be defined. */
#include "raw.h"

static void one(const char *label, const char *path)
{
	CASE_OPEN(label, CREAT(path, 0666));
}

static void plain(void)
{
	long mask = raw_syscall(SYS_umask, 0, 0, 0, 0, 0, 0);
	CASE_OPEN("create 06751", CREAT("created.lock", 06751));
	CASE_OPEN("create 0", CREAT("created.json", 0));
	each_path(one, ALL_PATHS);
	raw_syscall(SYS_umask, mask, 0, 0, 0, 0, 0);
}

/* Only below the lock's path: creat on a free one would put a file where a client expects a directory. */
static void on_lock(const char *lock)
{
	static char below[4096];
	unsigned long length = 0;
	for (; lock[length] != '\0'; length++)
		below[length] = lock[length];
	below[length++] = '/';
	below[length] = '\0';
	CASE_OPEN("with a slash", CREAT(below, 0600));
}
