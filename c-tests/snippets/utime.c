#include <utime.h>

#include "snippet.h"

EXACT(int, utime, (const char *, const struct utimbuf *));

static const struct utimbuf times = { 1700000001, 1700000002 };

#define SET_TIMES(path) CALL(utime)(path, &times)
#define SET_NOW(path) CALL(utime)(path, 0)
#include "families/times.h"

SNIPPET(utime, ASYNC_SIGNAL_SAFE, plain, on_lock);
