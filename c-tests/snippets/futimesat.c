#include <sys/time.h>

#include "raw.h"
#include "snippet.h"

EXACT(int, futimesat, (int, const char *, const struct timeval *));

static const struct timeval times[2] = { { 1700000001, 0 }, { 1700000002, 500000 } };

#define SET_TIMES(path) CALL(futimesat)(AT_FDCWD, path, times)
#define SET_NOW(path) CALL(futimesat)(AT_FDCWD, path, 0)
#include "families/times.h"

static void at(const char *label, int directory, const char *path)
{
	CASE(label, CALL(futimesat)(directory, path, times));
}

static void plain_at(void)
{
	plain();
	each_path_at(at, ALL_PATHS);
	int file = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	CASE("the descriptor itself", CALL(futimesat)(file, 0, times));
	raw_close(file);
}

static void on_lock_at(const char *lock)
{
	int parent = open_parent(lock);
	CASE("by descriptor", CALL(futimesat)(parent, last_component(lock), times));
	on_lock(lock);
	raw_close(parent);
}

SNIPPET(futimesat, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
