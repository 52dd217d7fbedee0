#include "snippet.h"

EXACT(int, __open_2, (const char *, int));

#define OPEN_2(path, flags) EXACT_CALL(__open_2)(path, flags)
#include "families/open_2.h"

SNIPPET(__open_2, ASYNC_SIGNAL_SAFE, plain, on_lock);
