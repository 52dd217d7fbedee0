#include "raw.h"
#include "snippet.h"

EXACT(int, dup2, (int, int));

/* Far above what any situation has open. */
#define TO 700

static void plain(void)
{
	int fd = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	CASE("file", CALL(dup2)(fd, TO));
	CASE("in the place of it", CALL(dup2)(fd, TO));
	CASE("onto itself", CALL(dup2)(TO, TO));
	raw_close(TO);
	raw_close(fd);
	CASE("closed onto itself", CALL(dup2)(TO, TO));
	CASE("-1", CALL(dup2)(-1, TO));
	CASE("to -1", CALL(dup2)(0, -1));
}

static void on_lock(const char *lock)
{
	int fd = raw_open(in_root("/home/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC, 0);
	(void)lock;
	CASE("credentials", CALL(dup2)(fd, TO));
	raw_close(TO);
	raw_close(fd);
}

SNIPPET(dup2, ASYNC_SIGNAL_SAFE, plain, on_lock);
