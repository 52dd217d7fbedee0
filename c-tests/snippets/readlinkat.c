#include "raw.h"
#include "snippet.h"

EXACT(ssize_t, readlinkat, (int, const char *, char *, size_t));

#define READLINK(path, buffer, size) CALL(readlinkat)(AT_FDCWD, path, buffer, size)
#include "families/readlink.h"

static void at(const char *label, int directory, const char *path)
{
	CASE(label, CALL(readlinkat)(directory, path, target, sizeof target));
}

static void plain_at(void)
{
	plain();
	each_path_at(at, ALL_PATHS);
}

static void on_lock_at(const char *lock)
{
	int parent = open_parent(lock);
	on_lock(lock);
	CASE("by descriptor", CALL(readlinkat)(parent, last_component(lock), target, sizeof target));
	raw_close(parent);
}

SNIPPET(readlinkat, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
