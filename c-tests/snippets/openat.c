#include "snippet.h"

EXACT(int, openat, (int, const char *, int, ...));

#define OPENAT CALL(openat)
#include "families/openat.h"

SNIPPET(openat, ASYNC_SIGNAL_SAFE, plain, on_lock);
