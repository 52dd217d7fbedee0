#include "snippet.h"

EXACT(int, creat64, (const char *, mode_t));

#define CREAT CALL(creat64)
#include "families/creat.h"

SNIPPET(creat64, ASYNC_SIGNAL_SAFE, plain, on_lock);
