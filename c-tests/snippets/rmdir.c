#include "snippet.h"

EXACT(int, rmdir, (const char *));

static void one(const char *label, const char *path)
{
	CASE(label, CALL(rmdir)(path));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	CASE("rmdir", CALL(rmdir)(lock));
	CASE("rmdir", CALL(rmdir)(lock));
}

SNIPPET(rmdir, ASYNC_SIGNAL_SAFE, plain, on_lock);
