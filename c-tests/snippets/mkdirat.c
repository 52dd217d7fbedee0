#include "raw.h"
#include "snippet.h"

EXACT(int, mkdirat, (int, const char *, mode_t));

static void one(const char *label, int directory, const char *path)
{
	CASE(label, CALL(mkdirat)(directory, path, 0777));
}

static void plain(void)
{
	each_path_at(one, ALL_PATHS);
	each_path_at(one, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	CASE("by descriptor", CALL(mkdirat)(parent, last_component(lock), 0777));
	CASE("by path", CALL(mkdirat)(AT_FDCWD, lock, 0777));
	raw_close(parent);
}

SNIPPET(mkdirat, ASYNC_SIGNAL_SAFE, plain, on_lock);
