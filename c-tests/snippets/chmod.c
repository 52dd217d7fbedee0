#include "snippet.h"

EXACT(int, chmod, (const char *, mode_t));

#define CHMOD CALL(chmod)
#include "families/chmod.h"

SNIPPET(chmod, ASYNC_SIGNAL_SAFE, plain, on_lock);
