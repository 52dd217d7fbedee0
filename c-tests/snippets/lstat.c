#include "snippet.h"

/* On the 64-bit architectures struct stat64 is struct stat. */
EXACT(int, lstat, (const char *, struct stat *));

#define STAT(path, status) CALL(lstat)(path, (void *)(status))
#include "families/stat.h"

SNIPPET(lstat, ASYNC_SIGNAL_SAFE, plain, on_lock);
