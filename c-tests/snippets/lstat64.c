#include "snippet.h"

/* On the 64-bit architectures struct stat64 is struct stat. */
EXACT(int, lstat64, (const char *, struct stat *));

#define STAT(path, status) CALL(lstat64)(path, (void *)(status))
#include "families/stat.h"

SNIPPET(lstat64, ASYNC_SIGNAL_SAFE, plain, on_lock);
