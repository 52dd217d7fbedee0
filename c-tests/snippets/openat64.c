#include "snippet.h"

EXACT(int, openat64, (int, const char *, int, ...));

#define OPENAT CALL(openat64)
#include "families/openat.h"

SNIPPET(openat64, ASYNC_SIGNAL_SAFE, plain, on_lock);
