#include <sys/file.h>

#include "raw.h"
#include "snippet.h"

EXACT(int, flock, (int, int));

static void operations(const char *path)
{
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0), other = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
	CASE("exclusive", CALL(flock)(fd, LOCK_EX | LOCK_NB));
	CASE("refused", CALL(flock)(other, LOCK_SH | LOCK_NB));
	CASE("unlock", CALL(flock)(fd, LOCK_UN));
	CASE("shared", CALL(flock)(other, LOCK_SH));
	CASE("shared by both", CALL(flock)(fd, LOCK_SH | LOCK_NB));
	CASE("bad operation", CALL(flock)(fd, 99));
	if (fd >= 0)
		raw_close(fd);
	if (other >= 0)
		raw_close(other);
}

static void plain(void)
{
	operations("file");
	operations("file.lock");
	CASE("-1", CALL(flock)(-1, LOCK_EX));
	CASE("AT_FDCWD", CALL(flock)(AT_FDCWD, LOCK_EX));
}

static void on_lock(const char *lock)
{
	(void)lock;
	operations(in_root("/home/.claude/.credentials.json"));
}

SNIPPET(flock, ASYNC_SIGNAL_SAFE, plain, on_lock);
