#include "raw.h"
#include "snippet.h"

EXACT(int, unlinkat, (int, const char *, int));

static void as_directory(const char *label, int directory, const char *path)
{
	CASE(label, CALL(unlinkat)(directory, path, AT_REMOVEDIR));
}

static void as_file(const char *label, int directory, const char *path)
{
	CASE(label, CALL(unlinkat)(directory, path, 0));
}

static void plain(void)
{
	each_path_at(as_directory, ALL_PATHS);
	each_path_at(as_file, ALL_PATHS);
	CASE("bad flags", CALL(unlinkat)(AT_FDCWD, "missing.lock", 0x4000));
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	CASE("as a file", CALL(unlinkat)(parent, last_component(lock), 0));
	CASE("bad flags", CALL(unlinkat)(parent, last_component(lock), 0x4000));
	CASE("by descriptor", CALL(unlinkat)(parent, last_component(lock), AT_REMOVEDIR));
	CASE("by path", CALL(unlinkat)(AT_FDCWD, lock, AT_REMOVEDIR));
	raw_close(parent);
}

SNIPPET(unlinkat, ASYNC_SIGNAL_SAFE, plain, on_lock);
