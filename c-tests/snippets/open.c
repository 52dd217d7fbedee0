#include "snippet.h"

EXACT(int, open, (const char *, int, ...));

#define OPEN CALL(open)
#include "families/open.h"

SNIPPET(open, ASYNC_SIGNAL_SAFE, plain, on_lock);
