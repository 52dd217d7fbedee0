#include "raw.h"
#include "snippet.h"

EXACT(int, fchmodat, (int, const char *, mode_t, int));

#define CHMOD(path, mode) CALL(fchmodat)(AT_FDCWD, path, mode, 0)
#include "families/chmod.h"

static void at(const char *label, int directory, const char *path)
{
	CASE(label, CALL(fchmodat)(directory, path, 0755, 0));
}

static void plain_at(void)
{
	plain();
	each_path_at(at, ALL_PATHS);
	CASE("a link itself", CALL(fchmodat)(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW));
	CASE("bad flags", CALL(fchmodat)(AT_FDCWD, "file.lock", 0600, 0x40000000));
}

static void on_lock_at(const char *lock)
{
	int parent = open_parent(lock);
	CASE("by descriptor", CALL(fchmodat)(parent, last_component(lock), 0711, 0));
	show(lock);
	on_lock(lock);
	raw_close(parent);
}

SNIPPET(fchmodat, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
