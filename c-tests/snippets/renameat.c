#include <stdio.h>

#include "raw.h"
#include "snippet.h"

EXACT(int, renameat, (int, const char *, int, const char *));

#define RENAME(from, to) CALL(renameat)(AT_FDCWD, from, AT_FDCWD, to)
#include "families/rename.h"

static void one(const char *label, int directory, const char *path)
{
	CASE(label, CALL(renameat)(directory, path, AT_FDCWD, "renamed.lock"));
	CASE("  back", CALL(renameat)(AT_FDCWD, "renamed.lock", directory, path));
}

static void plain(void)
{
	each_path_at(one, ALL_PATHS);
	plain_paths();
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	on_lock_paths(lock);
	CASE("by descriptor", CALL(renameat)(parent, last_component(lock), AT_FDCWD, in_root("/work/file")));
	raw_close(parent);
}

SNIPPET(renameat, ASYNC_SIGNAL_SAFE, plain, on_lock);
