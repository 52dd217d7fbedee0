/* The first hooked calls of a process, none of them mkdir or rmdir of a name that may be a lock's: the library
 * must not even look where the config directory is. Run under strace by lib/system_calls. */
#include <limits.h>
#include <sys/time.h>
#include <utime.h>

#include "program.h"

/* Not the results are the subject but the system calls. */
#define CALL(expression) (void)!(expression)

int main(void)
{
	char buffer[PATH_MAX];
	struct stat status;
	raw_write(-1, "plain-begin", 11);
	CALL(mkdir("made", 0777));
	CALL(mkdir("made.json", 0777));
	CALL(mkdirat(AT_FDCWD, "directory/made", 0777));
	CALL(rmdir("made"));
	CALL(unlinkat(AT_FDCWD, "made.json", AT_REMOVEDIR));
	CALL(stat("missing.lock", &status));
	CALL(lstat(".oauth_refresh.lock", &status));
	CALL(fstatat(AT_FDCWD, "file.lock", &status, 0));
	CALL(access("file.lock", F_OK));
	CALL(faccessat(AT_FDCWD, ".claude.lock", F_OK, 0));
	CALL(utimensat(AT_FDCWD, "file.lock", 0, 0));
	CALL(utimes("file.lock", 0));
	CALL(utime("file.lock", 0));
	CALL(chmod("file.lock", 0644));
	CALL(realpath("file.lock", buffer) != 0);
	CALL(readlink("link", buffer, sizeof buffer) > 0);
	CALL(close(open("file.lock", O_RDONLY)));
	CALL(close(open("other.credentials.json", O_RDONLY)));
	CALL(rename("file.json", "moved.json"));
	CALL(unlink("moved.json"));
	CALL(syscall(SYS_faccessat, AT_FDCWD, "file.lock", F_OK));
	CALL(syscall(SYS_mkdirat, AT_FDCWD, "made", 0777));
	raw_write(-1, "plain-end", 9);
	return 0;
}
