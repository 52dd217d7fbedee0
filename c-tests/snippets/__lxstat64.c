#include "snippet.h"

/* What stat was until glibc 2.33. The first argument is the version of the structure. */
EXACT(int, __lxstat64, (int, const char *, struct stat *));

#ifdef __x86_64__
#define VERSION 1
#else
#define VERSION 0
#endif

#define STAT(path, status) EXACT_CALL(__lxstat64)(VERSION, path, status)
#include "families/stat.h"

static void plain_and_versions(void)
{
	struct stat status;
	plain();
	for (int version = -1; version < 5; version++)
		CASE("version", EXACT_CALL(__lxstat64)(version, "file.lock", &status));
}

SNIPPET(__lxstat64, ASYNC_SIGNAL_SAFE, plain_and_versions, on_lock);
