#include "raw.h"
#include "snippet.h"

EXACT(int, __openat64_2, (int, const char *, int));

#define OPEN_2(path, flags) EXACT_CALL(__openat64_2)(AT_FDCWD, path, flags)
#include "families/open_2.h"

static void one(const char *label, int directory, const char *path)
{
	CASE_OPEN(label, EXACT_CALL(__openat64_2)(directory, path, O_RDONLY));
}

static void plain_at(void)
{
	plain();
	each_path_at(one, ALL_PATHS);
}

static void on_lock_at(const char *lock)
{
	int parent = open_parent(lock);
	on_lock(lock);
	CASE_OPEN("by descriptor", EXACT_CALL(__openat64_2)(parent, last_component(lock), O_PATH));
	raw_close(parent);
}

SNIPPET(__openat64_2, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
