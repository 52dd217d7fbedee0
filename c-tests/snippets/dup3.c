#include "raw.h"
#include "snippet.h"

EXACT(int, dup3, (int, int, int));

/* Far above what any situation has open. */
#define TO 700

static void plain(void)
{
	int fd = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	CASE("file", CALL(dup3)(fd, TO, O_CLOEXEC));
	CASE("in the place of it", CALL(dup3)(fd, TO, O_CLOEXEC));
	CASE("onto itself", CALL(dup3)(TO, TO, O_CLOEXEC));
	raw_close(TO);
	raw_close(fd);
	CASE("closed onto itself", CALL(dup3)(TO, TO, O_CLOEXEC));
	CASE("-1", CALL(dup3)(-1, TO, O_CLOEXEC));
	CASE("to -1", CALL(dup3)(0, -1, O_CLOEXEC));
}

static void on_lock(const char *lock)
{
	int fd = raw_open(in_root("/home/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC, 0);
	(void)lock;
	CASE("credentials", CALL(dup3)(fd, TO, O_CLOEXEC));
	raw_close(TO);
	raw_close(fd);
}

SNIPPET(dup3, ASYNC_SIGNAL_SAFE, plain, on_lock);
