#include "snippet.h"

EXACT(int, mkdir, (const char *, mode_t));

static void one(const char *label, const char *path)
{
	CASE(label, CALL(mkdir)(path, 0777));
}

static void plain(void)
{
	each_path(one, ALL_PATHS);
	each_path(one, ALL_PATHS);
	CASE("mode 01770", CALL(mkdir)("sticky", 01770));
	CASE("mode 0", CALL(mkdir)("closed", 0));
}

static void on_lock(const char *lock)
{
	CASE("mkdir", CALL(mkdir)(lock, 0777));
	CASE("mkdir 0700", CALL(mkdir)(lock, 0700));
}

SNIPPET(mkdir, ASYNC_SIGNAL_SAFE, plain, on_lock);
