#include <stdio.h>

#include "snippet.h"

EXACT(int, rename, (const char *, const char *));

#define RENAME(from, to) CALL(rename)(from, to)
#include "families/rename.h"

SNIPPET(rename, ASYNC_SIGNAL_SAFE, plain_paths, on_lock_paths);
