#include <sys/time.h>

#include "snippet.h"

EXACT(int, lutimes, (const char *, const struct timeval *));

static const struct timeval times[2] = { { 1700000001, 0 }, { 1700000002, 500000 } };

#define SET_TIMES(path) CALL(lutimes)(path, times)
#define SET_NOW(path) CALL(lutimes)(path, 0)
#include "families/times.h"

static void plain_and_bad(void)
{
	static const struct timeval impossible[2] = { { 1, 0 }, { 2, 1000000 } };
	plain();
	CASE("impossible time", CALL(lutimes)("file.lock", impossible));
}

SNIPPET(lutimes, ASYNC_SIGNAL_SAFE, plain_and_bad, on_lock);
