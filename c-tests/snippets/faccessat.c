#include "raw.h"
#include "snippet.h"

EXACT(int, faccessat, (int, const char *, int, int));

static void one(const char *label, int directory, const char *path)
{
	CASE(label, CALL(faccessat)(directory, path, F_OK, 0));
	CASE("  not following", CALL(faccessat)(directory, path, R_OK, AT_SYMLINK_NOFOLLOW));
	CASE("  effective", CALL(faccessat)(directory, path, W_OK, AT_EACCESS));
}

static void plain(void)
{
	each_path_at(one, ALL_PATHS);
	CASE("bad mode", CALL(faccessat)(AT_FDCWD, "file.lock", 0x80, 0));
	CASE("bad flags", CALL(faccessat)(AT_FDCWD, "file.lock", F_OK, 0x40000000));
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	CASE("by descriptor", CALL(faccessat)(parent, last_component(lock), F_OK, 0));
	CASE("by path", CALL(faccessat)(AT_FDCWD, lock, W_OK, AT_EACCESS));
	CASE("bad flags", CALL(faccessat)(AT_FDCWD, lock, F_OK, 0x40000000));
	raw_close(parent);
}

SNIPPET(faccessat, ASYNC_SIGNAL_SAFE, plain, on_lock);
