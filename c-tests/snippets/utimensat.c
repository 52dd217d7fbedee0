#include "raw.h"
#include "snippet.h"

EXACT(int, utimensat, (int, const char *, const struct timespec *, int));

static const struct timespec times[2] = { { 1700000001, 0 }, { 1700000002, 500000000 } };

#define SET_TIMES(path) CALL(utimensat)(AT_FDCWD, path, times, 0)
#define SET_NOW(path) CALL(utimensat)(AT_FDCWD, path, 0, 0)
#include "families/times.h"

static void at(const char *label, int directory, const char *path)
{
	CASE(label, CALL(utimensat)(directory, path, times, 0));
	CASE("  not following", CALL(utimensat)(directory, path, times, AT_SYMLINK_NOFOLLOW));
}

static void plain_at(void)
{
	static const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	static const struct timespec impossible[2] = { { 1, 0 }, { 2, 1000000000 } };
	plain();
	each_path_at(at, ALL_PATHS);
	CASE("omit", CALL(utimensat)(AT_FDCWD, "file.lock", omit, 0));
	CASE("omit missing", CALL(utimensat)(AT_FDCWD, "missing.lock", omit, 0));
	CASE("impossible time", CALL(utimensat)(AT_FDCWD, "file.lock", impossible, 0));
	CASE("bad flags", CALL(utimensat)(AT_FDCWD, "file.lock", times, 0x40000000));
#ifdef __GLIBC__
	/* musl looks into the times itself. */
	const struct timespec *volatile nowhere = (const struct timespec *)1;
	CASE("times 1", CALL(utimensat)(AT_FDCWD, "file.lock", nowhere, 0));
#endif
	int file = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	/* futimens: no path at all. */
	const char *volatile no_path = 0;
	CASE("the descriptor itself", (int)CALL(utimensat)(file, no_path, times, 0));
	raw_close(file);
}

static void on_lock_at(const char *lock)
{
	static const struct timespec keep_access[2] = { { 0, UTIME_OMIT }, { 1600000000, 7000000 } };
	static const struct timespec impossible[2] = { { 1, 0 }, { 2, 1000000000 } };
	int parent = open_parent(lock);
	on_lock(lock);
	CASE("by descriptor", CALL(utimensat)(parent, last_component(lock), keep_access, AT_SYMLINK_NOFOLLOW));
	show(lock);
	CASE("impossible time", CALL(utimensat)(AT_FDCWD, lock, impossible, 0));
	show(lock);
	raw_close(parent);
}

SNIPPET(utimensat, ASYNC_SIGNAL_SAFE, plain_at, on_lock_at);
