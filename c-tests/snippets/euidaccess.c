#include "snippet.h"

EXACT(int, euidaccess, (const char *, int));

static void one(const char *label, const char *path)
{
	CASE(label, CALL(euidaccess)(path, F_OK));
	CASE("  rwx", CALL(euidaccess)(path, R_OK | W_OK | X_OK));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	CASE("bad mode", CALL(euidaccess)("file.lock", 0x80));
}

static void on_lock(const char *lock)
{
	CASE("exists", CALL(euidaccess)(lock, F_OK));
	CASE("rwx", CALL(euidaccess)(lock, R_OK | W_OK | X_OK));
	CASE("bad mode", CALL(euidaccess)(lock, 0x80));
}

SNIPPET(euidaccess, ASYNC_SIGNAL_SAFE, plain, on_lock);
