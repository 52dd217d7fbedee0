#include "raw.h"
#include "snippet.h"

EXACT(int, fcntl, (int, int, ...));

static void commands(const char *path)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2 };
	int fd = raw_open(path, O_RDWR | O_CLOEXEC, 0), other = raw_open(path, O_RDWR | O_CLOEXEC, 0);
	CASE("F_GETFD", CALL(fcntl)(fd, F_GETFD));
	CASE("F_SETFD", CALL(fcntl)(fd, F_SETFD, 0));
	CASE("F_GETFL", CALL(fcntl)(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CASE("F_SETFL", CALL(fcntl)(fd, F_SETFL, O_NONBLOCK));
	CASE("F_OFD_SETLK", CALL(fcntl)(fd, F_OFD_SETLK, &range));
	CASE("refused", CALL(fcntl)(other, F_OFD_SETLK, &range));
	CASE("F_OFD_GETLK", CALL(fcntl)(other, F_OFD_GETLK, &range));
	CASE("its type", range.l_type);
	range.l_type = F_UNLCK;
	range.l_pid = 0;
	CASE("unlock", CALL(fcntl)(fd, F_OFD_SETLK, &range));
	range.l_type = F_WRLCK;
	CASE("F_SETLKW", CALL(fcntl)(fd, F_SETLKW, &range));
	CASE("no range", CALL(fcntl)(fd, F_SETLK, (void *)0));
	CASE("bad command", CALL(fcntl)(fd, 9999, 0));
	if (fd >= 0)
		raw_close(fd);
	if (other >= 0)
		raw_close(other);
}

static void plain(void)
{
	commands("file");
	commands("file.lock");
	CASE("-1", CALL(fcntl)(-1, F_GETFD));
}

static void on_lock(const char *lock)
{
	(void)lock;
	commands(in_root("/home/.claude/.credentials.json"));
}

SNIPPET(fcntl, ASYNC_SIGNAL_SAFE, plain, on_lock);
