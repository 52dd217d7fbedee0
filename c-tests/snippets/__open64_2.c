#include "snippet.h"

EXACT(int, __open64_2, (const char *, int));

#define OPEN_2(path, flags) EXACT_CALL(__open64_2)(path, flags)
#include "families/open_2.h"

SNIPPET(__open64_2, ASYNC_SIGNAL_SAFE, plain, on_lock);
