#include "snippet.h"

EXACT(ssize_t, readlink, (const char *, char *, size_t));

#define READLINK CALL(readlink)
#include "families/readlink.h"

SNIPPET(readlink, ASYNC_SIGNAL_SAFE, plain, on_lock);
