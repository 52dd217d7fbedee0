/* A ring whose submissions a kernel thread takes, as libuv makes it for files, is refused where there is a config
 * directory: calls made there would be seen by nobody. Where there is none, it is not. */
#include "program.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

#define FLAGS 8             /* the offset of flags in struct io_uring_params */
#define SUBMISSION_THREAD 2 /* IORING_SETUP_SQPOLL */

static long set_up(void)
{
	char parameters[120];
	memset(parameters, 0, sizeof parameters);
	memcpy(parameters + FLAGS, &(unsigned){ SUBMISSION_THREAD }, sizeof(unsigned));
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
	memcpy(parameters + FLAGS, &(unsigned){ SUBMISSION_THREAD }, sizeof(unsigned));
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
