#include "snippet.h"

EXACT(int, unlink, (const char *));

static void one(const char *label, const char *path)
{
	CASE(label, CALL(unlink)(path));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	CASE("unlink", CALL(unlink)(lock));
}

SNIPPET(unlink, ASYNC_SIGNAL_SAFE, plain, on_lock);
