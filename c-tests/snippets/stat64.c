#include "snippet.h"

/* On the 64-bit architectures struct stat64 is struct stat. */
EXACT(int, stat64, (const char *, struct stat *));

#define STAT(path, status) CALL(stat64)(path, (void *)(status))
#include "families/stat.h"

SNIPPET(stat64, ASYNC_SIGNAL_SAFE, plain, on_lock);
