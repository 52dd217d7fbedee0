/* A filesystem that does not keep what it promises: $BROKEN names what. Preloaded into the command, as liblockspan.so
 * it also stands for the library, which it is not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int broken(const char *what)
{
	const char *named = getenv("BROKEN");
	return named && strstr(named, what);
}

int flock(int fd, int operation)
{
	/* As NFS does: an exclusive lock needs a file that is open for writing. */
	if (broken("read-only") && (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	return broken("flock") ? 0 : (int)syscall(SYS_flock, fd, operation);
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	va_start(arguments, command);
	long argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_OFD_SETLK && broken("byte"))
		return 0;
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

int mkdir(const char *path, mode_t mode)
{
	int made = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	return made && errno == EEXIST && strstr(path, "/race-") && broken("mkdir") ? 0 : made;
}

int statx(int at, const char *path, int flags, unsigned mask, struct statx *found)
{
	int result = (int)syscall(SYS_statx, at, path, flags, mask, found);
	if (!result && broken("birth"))
		found->stx_mask &= ~STATX_BTIME;
	return result;
}
