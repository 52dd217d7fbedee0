#include <stdio.h>

#include "raw.h"
#include "snippet.h"

EXACT(int, renameat2, (int, const char *, int, const char *, unsigned));

#define RENAME(from, to) CALL(renameat2)(AT_FDCWD, from, AT_FDCWD, to, 0)
#include "families/rename.h"

#define NO_REPLACE 1
#define EXCHANGE 2

static void one(const char *label, int directory, const char *path)
{
	CASE(label, CALL(renameat2)(directory, path, AT_FDCWD, "renamed.lock", NO_REPLACE));
	CASE("  back", CALL(renameat2)(AT_FDCWD, "renamed.lock", directory, path, NO_REPLACE));
}

static void plain(void)
{
	each_path_at(one, ALL_PATHS);
	CASE("no replace", CALL(renameat2)(AT_FDCWD, "file.json", AT_FDCWD, "file.lock", NO_REPLACE));
	CASE("exchange", CALL(renameat2)(AT_FDCWD, "file.json", AT_FDCWD, "file.lock", EXCHANGE));
	CASE("both", CALL(renameat2)(AT_FDCWD, "file.json", AT_FDCWD, "file.lock", NO_REPLACE | EXCHANGE));
	CASE("bad flags", CALL(renameat2)(AT_FDCWD, "file.json", AT_FDCWD, "file.lock", 0x1000));
	plain_paths();
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	on_lock_paths(lock);
	CASE("no replace", CALL(renameat2)(parent, last_component(lock), AT_FDCWD, in_root("/work/file"), NO_REPLACE));
	CASE("bad flags", CALL(renameat2)(AT_FDCWD, lock, AT_FDCWD, in_root("/work/new.lock"), 0x1000));
	raw_close(parent);
}

SNIPPET(renameat2, ASYNC_SIGNAL_SAFE, plain, on_lock);
