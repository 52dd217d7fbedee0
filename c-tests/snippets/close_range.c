#include "raw.h"
#include "snippet.h"

EXACT(int, close_range, (unsigned int, unsigned int, int));

/* Far above what any situation has open. */
#define FIRST 700
#define LAST 710

static void plain(void)
{
	int fd = raw_open("file", O_RDONLY | O_CLOEXEC, 0);
	raw_syscall(SYS_dup3, fd, FIRST + 2, O_CLOEXEC, 0, 0, 0);
	raw_close(fd);
	CASE("nothing yet but one", CALL(close_range)(FIRST, LAST, 0));
	CASE("closed by it", raw_syscall(SYS_fcntl, FIRST + 2, F_GETFD, 0, 0, 0, 0) == -EBADF ? 0 : -1);
	CASE("nothing", CALL(close_range)(FIRST, LAST, 0));
	CASE("backwards", CALL(close_range)(LAST, FIRST, 0));
	CASE("unknown flags", CALL(close_range)(FIRST, LAST, 1 << 20));
}

static void on_lock(const char *lock)
{
	int fd = raw_open(in_root("/home/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC, 0);
	(void)lock;
	raw_syscall(SYS_dup3, fd, FIRST, O_CLOEXEC, 0, 0, 0);
	raw_close(fd);
	CASE("credentials", CALL(close_range)(FIRST, LAST, 0));
}

SNIPPET(close_range, ASYNC_SIGNAL_SAFE, plain, on_lock);
