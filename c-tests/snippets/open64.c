#include "snippet.h"

EXACT(int, open64, (const char *, int, ...));

#define OPEN CALL(open64)
#include "families/open.h"

SNIPPET(open64, ASYNC_SIGNAL_SAFE, plain, on_lock);
