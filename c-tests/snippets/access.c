#include "snippet.h"

EXACT(int, access, (const char *, int));

static void one(const char *label, const char *path)
{
	CASE(label, CALL(access)(path, F_OK));
	CASE("  rwx", CALL(access)(path, R_OK | W_OK | X_OK));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	CASE("bad mode", CALL(access)("file.lock", 0x80));
}

static void on_lock(const char *lock)
{
	CASE("exists", CALL(access)(lock, F_OK));
	CASE("rwx", CALL(access)(lock, R_OK | W_OK | X_OK));
	CASE("bad mode", CALL(access)(lock, 0x80));
}

SNIPPET(access, ASYNC_SIGNAL_SAFE, plain, on_lock);
