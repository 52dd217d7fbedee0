#include "raw.h"
#include "snippet.h"
#include "statx_types.h"

EXACT(int, statx, (int, const char *, int, unsigned, struct statx *));

static struct statx status;

static void filled(const char *label, int result, int error)
{
	record_result(label, result, error);
	if (result != 0)
		return;
	record_number("mode", status.stx_mode);
	record_number("mask", status.stx_mask);
}

static void one(const char *label, int directory, const char *path)
{
	errno = ERRNO_SENTINEL;
	int result = CALL(statx)(directory, path, 0, STATX_BASIC_STATS, &status);
	filled(label, result, errno);
	CASE("  not following", CALL(statx)(directory, path, AT_SYMLINK_NOFOLLOW, STATX_ALL, &status));
	CASE("  empty path allowed", CALL(statx)(directory, path, AT_EMPTY_PATH, STATX_MODE, &status));
}

static void plain(void)
{
	each_path_at(one, ALL_PATHS);
	CASE("no fields", CALL(statx)(AT_FDCWD, "file.lock", AT_STATX_DONT_SYNC, 0, &status));
	CASE("bad flags", CALL(statx)(AT_FDCWD, "file.lock", 0x40000000, STATX_ALL, &status));
	CASE("bad mask", CALL(statx)(AT_FDCWD, "file.lock", 0, 0x80000000U, &status));
	struct statx *volatile nowhere = 0;
	CASE("buffer NULL", CALL(statx)(AT_FDCWD, "file.lock", 0, STATX_ALL, nowhere));
	nowhere = (struct statx *)1;
	CASE("buffer 1", CALL(statx)(AT_FDCWD, "file.lock", 0, STATX_ALL, nowhere));
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	errno = ERRNO_SENTINEL;
	int result = CALL(statx)(parent, last_component(lock), 0, STATX_ALL, &status);
	filled("by descriptor", result, errno);
	struct timespec times[2] = { { 1700000000, 123000000 }, { 1700000001, 456000000 } };
	CASE("utimensat", utimensat(AT_FDCWD, lock, times, 0));
	errno = ERRNO_SENTINEL;
	result = CALL(statx)(AT_FDCWD, lock, AT_SYMLINK_NOFOLLOW, STATX_MTIME | STATX_MODE, &status);
	filled("by path", result, errno);
	if (result == 0) {
		record_number("seconds", (long)status.stx_mtime.tv_sec);
		record_number("nanoseconds", status.stx_mtime.tv_nsec);
	}
	CASE("bad flags", CALL(statx)(parent, last_component(lock), 0x40000000, STATX_ALL, &status));
	struct statx *volatile nowhere = 0;
	CASE("buffer NULL", CALL(statx)(AT_FDCWD, lock, 0, STATX_ALL, nowhere));
	raw_close(parent);
}

SNIPPET(statx, ASYNC_SIGNAL_SAFE, plain, on_lock);
