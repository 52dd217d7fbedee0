/* A path that runs into memory that is not there: the kernel answers EFAULT, so must the hooks.
 * "rare" as the argument: only in functions that are rarely called. "lock": the same for bad times and a bad buffer, with the path of a held lock. */
#include <sys/mman.h>
#include <sys/time.h>
#include <utime.h>

#include "program.h"

#define REFUSED(call) CHECK((call) == -1 && errno == EFAULT)

static int of_lock(void)
{
	const struct timespec *volatile times = (const struct timespec *)1;
	struct stat *volatile buffer = (struct stat *)1;
	CHECK(mkdir(SIBLING, 0777) == 0);
	REFUSED(stat(SIBLING, buffer));
	REFUSED(utimensat(AT_FDCWD, SIBLING, times, 0));
	CHECK(rmdir(SIBLING) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "lock") == 0)
		return of_lock();

	int only_rare = argc == 2 && strcmp(argv[1], "rare") == 0;
	struct stat status;
	char buffer[16];
	char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
	memset(pages, 'a', 4096);
	const char *volatile path = pages + 4096 - 5;
	memcpy(pages + 4096 - 5, ".lock", 5);
	REFUSED(mkdir(path, 0777));
	REFUSED(mkdirat(AT_FDCWD, path, 0777));
	REFUSED(rmdir(path));
	REFUSED(unlink(path));
	REFUSED(unlinkat(AT_FDCWD, path, 0));
	REFUSED(rename(path, "new"));
	REFUSED(rename("new", path));
	REFUSED(renameat(AT_FDCWD, "new", AT_FDCWD, path));
	REFUSED(rename(path, ".claude/.credentials.json"));
	REFUSED(utimensat(AT_FDCWD, path, 0, 0));
	REFUSED(utimes(path, 0));
	REFUSED(utime(path, 0));
	REFUSED(chmod(path, 0700));
	REFUSED(fchmodat(AT_FDCWD, path, 0700, 0));
	/* From well before the end; what is longer than a path may be is refused for that. */
	REFUSED(mkdir(pages + 100, 0777));
	REFUSED(mkdir(pages + 4096, 0777));
	/* What ends with its page can be read. */
	pages[4095] = 0;
	CHECK(rmdir(path) == -1 && errno == ENOENT);
	pages[4095] = 'k';
	if (only_rare)
		return 0;
	REFUSED(open(path, O_RDONLY));
	REFUSED(stat(path, &status));
	REFUSED(access(path, F_OK));
	REFUSED(readlink(path, buffer, sizeof buffer));
	REFUSED(syscall(SYS_faccessat, AT_FDCWD, path, F_OK));
	REFUSED(stat(pages + 4096, &status));
	return 0;
}
