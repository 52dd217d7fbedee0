#include "snippet.h"

EXACT(int, fstatat64, (int, const char *, struct stat *, int));

#define FSTATAT(directory, path, status, flags) CALL(fstatat64)(directory, path, (void *)(status), flags)
#include "families/fstatat.h"

SNIPPET(fstatat64, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
