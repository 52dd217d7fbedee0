/* leaves_fifo PATH: has a FIFO open to read until somebody else opens it, and leaves at once. Says when it is there. */
#include <poll.h>
#include <sys/inotify.h>

#include "program.h"

int main(int argc, char **argv)
{
	char event[4096];
	CHECK(argc == 2);
	int fd = open(argv[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC), watch = inotify_init1(IN_CLOEXEC);
	CHECK(fd >= 0 && inotify_add_watch(watch, argv[1], IN_OPEN) >= 0);
	puts("ready");
	CHECK(fflush(stdout) == 0);
	struct pollfd opened = { .fd = watch, .events = POLLIN };
	CHECK(poll(&opened, 1, 10000) == 1 && read(watch, event, sizeof event) > 0);
	return close(fd);
}
