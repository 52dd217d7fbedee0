#include "raw.h"
#include "snippet.h"

EXACT(int, close, (int));

static void plain(void)
{
	int fd = raw_open("file", O_RDONLY, 0);
	CASE("file", CALL(close)(fd));
	CASE("file again", CALL(close)(fd));
	fd = raw_open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	CASE("directory", CALL(close)(fd));
	CASE("-1", CALL(close)(-1));
	CASE("least int", CALL(close)(-2147483647 - 1));
	CASE("beyond the limit", CALL(close)(1 << 30));
	CASE("AT_FDCWD", CALL(close)(AT_FDCWD));
}

static void on_lock(const char *lock)
{
	int fd = raw_open(lock, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	/* Whether the directory can be opened past the library is not this test's subject. */
	if (fd >= 0)
		CASE("lock directory", CALL(close)(fd));
	fd = raw_open(in_root("/home/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC, 0);
	CASE("credentials", CALL(close)(fd));
}

SNIPPET(close, ASYNC_SIGNAL_SAFE, plain, on_lock);
