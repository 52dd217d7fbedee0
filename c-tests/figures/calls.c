/* calls CALL COUNT: makes one non-matching call COUNT times. scripts/figures runs it with two counts: the
 * difference is what the calls cost, without the start of the process. Every call fails or succeeds the same
 * way each time, in the kernel, so that the C library's part is the same too. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct stat status;
	if (argc != 3)
		return 2;
	const char *call = argv[1];
	long count = atol(argv[2]);
	/* The results do not matter: a path in a directory that does not exist, or a descriptor never open. */
	const char *volatile missing = "/nonexistent/figures/file.txt";
	const char *volatile missing_lock = "/nonexistent/figures/file.lock";
#define MEASURE(name, expression)                                            \
	if (strcmp(call, name) == 0) {                                       \
		for (long i = 0; i < count; i++)                             \
			if ((expression) >= 0)                               \
				return 3;                                    \
		return 0;                                                    \
	}
	MEASURE("open", open(missing, O_RDONLY))
	MEASURE("openat", openat(AT_FDCWD, missing, O_RDONLY))
	MEASURE("stat", stat(missing, &status))
	MEASURE("access", access(missing, F_OK))
	MEASURE("mkdir", mkdir(missing, 0777))
	MEASURE("mkdir .lock", mkdir(missing_lock, 0777))
	MEASURE("rmdir", rmdir(missing))
	MEASURE("rename", rename(missing, missing))
	MEASURE("close", close(-1))
	MEASURE("syscall", syscall(SYS_close, -1))
	MEASURE("syscall faccessat", syscall(SYS_faccessat, AT_FDCWD, missing, F_OK))
	return 2;
}
