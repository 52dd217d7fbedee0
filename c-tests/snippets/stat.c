#include "snippet.h"

/* On the 64-bit architectures struct stat64 is struct stat. */
EXACT(int, stat, (const char *, struct stat *));

#define STAT(path, status) CALL(stat)(path, (void *)(status))
#include "families/stat.h"

SNIPPET(stat, ASYNC_SIGNAL_SAFE, plain, on_lock);
