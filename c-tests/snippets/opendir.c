#include <dirent.h>

#include "raw.h"
#include "snippet.h"

EXACT(DIR *, opendir, (const char *));

static void one(const char *label, const char *path)
{
	errno = ERRNO_SENTINEL;
	DIR *directory = CALL(opendir)(path);
	int error = errno;
	record_result(label, directory == 0 ? -1 : dirfd(directory), error);
	if (directory == 0)
		return;
	record_number("descriptor flags", raw_fcntl(dirfd(directory), F_GETFD, 0));
	long entries = 0;
	while (readdir(directory) != 0)
		entries++;
	record_number("entries", entries);
	record_number("closedir", closedir(directory));
}

/* No bad pointers: opendir looks at the first byte itself. */
static void plain(void)
{
	each_path(one, GOOD_POINTERS);
}

static void on_lock(const char *lock)
{
	one("lock", lock);
}

SNIPPET(opendir, ALLOCATES, plain, on_lock);
