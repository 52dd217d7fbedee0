#include "snippet.h"

/* What fstatat was until glibc 2.33. The first argument is the version of the structure. */
EXACT(int, __fxstatat64, (int, int, const char *, struct stat *, int));

#ifdef __x86_64__
#define VERSION 1
#else
#define VERSION 0
#endif

#define FSTATAT(directory, path, status, flags) EXACT_CALL(__fxstatat64)(VERSION, directory, path, status, flags)
#include "families/fstatat.h"

SNIPPET(__fxstatat64, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
