#include "snippet.h"

EXACT(int, fstatat, (int, const char *, struct stat *, int));

#define FSTATAT(directory, path, status, flags) CALL(fstatat)(directory, path, (void *)(status), flags)
#include "families/fstatat.h"

SNIPPET(fstatat, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
