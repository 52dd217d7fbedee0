/* A process that uses the lock gets no io_uring through syscall(): calls made there would be seen by nobody.
 * One that never touched the lock keeps it. */
#include "program.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

static long set_up(void)
{
	char parameters[120];
	memset(parameters, 0, sizeof parameters);
	errno = 0;
	long fd = syscall(SYS_io_uring_setup, 4L, parameters);
	if (fd >= 0) {
		close((int)fd);
		return 0;
	}
	return errno;
}

int main(void)
{
	char parameters[120];
	memset(parameters, 0, sizeof parameters);
	long native = raw_syscall(SYS_io_uring_setup, 4, (long)parameters, 0, 0, 0, 0);
	if (native < 0) {
		printf("this kernel gives no io_uring: errno %ld\n", -native);
		return 77;
	}
	raw_close((int)native);
	CHECK(mkdir(SIBLING, 0777) == 0);
	CHECK(set_up() == (active() ? ENOSYS : 0));
	CHECK(rmdir(SIBLING) == 0);
	return 0;
}
