#include "snippet.h"

EXACT(int, creat, (const char *, mode_t));

#define CREAT CALL(creat)
#include "families/creat.h"

SNIPPET(creat, ASYNC_SIGNAL_SAFE, plain, on_lock);
