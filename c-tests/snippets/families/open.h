/* open and open64. OPEN must be defined.
 * The flags are volatile: what a compiler cannot see is what FORTIFY turns into __open_2. */
#include "raw.h"

static volatile int read_only = O_RDONLY;
static volatile int path_only = O_PATH | O_NOFOLLOW | O_CLOEXEC;
static volatile int truncating = O_WRONLY | O_TRUNC;
static volatile int directory_only = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

static void for_reading(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN(path, read_only));
}

static void as_path(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN(path, path_only));
}

static void for_writing(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN(path, truncating));
}

static void creating(const char *label, const char *path)
{
	CASE_OPEN(label, OPEN(path, O_RDWR | O_CREAT | O_APPEND, 0666));
}

static void plain(void)
{
	each_path(for_reading, ALL_PATHS);
	each_path(as_path, ALL_PATHS);
	each_path(for_writing, ALL_PATHS);
	long mask = raw_syscall(SYS_umask, 0, 0, 0, 0, 0, 0);
	CASE_OPEN("create 06751", OPEN("created.lock", O_WRONLY | O_CREAT | O_EXCL, 06751));
	CASE_OPEN("create again", OPEN("created.lock", O_WRONLY | O_CREAT | O_EXCL, 0600));
	CASE_OPEN("create 0", OPEN("created.json", O_WRONLY | O_CREAT | O_TRUNC, 0));
	CASE_OPEN("temporary 0640", OPEN("directory", O_RDWR | O_TMPFILE, 0640));
	CASE_OPEN("temporary 01777", OPEN(".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 01777));
	raw_syscall(SYS_umask, mask, 0, 0, 0, 0, 0);
	each_path(creating, ALL_PATHS);
}

static void on_lock(const char *lock)
{
	CASE_OPEN("directory", OPEN(lock, directory_only));
	CASE_OPEN("path", OPEN(lock, path_only));
	CASE_OPEN("reading", OPEN(lock, read_only));
	CASE_OPEN("writing", OPEN(lock, truncating));
	CASE_OPEN("temporary", OPEN(in_root("/home/.claude"), O_RDWR | O_TMPFILE, 0600));
	CASE_OPEN("credentials", OPEN(in_root("/home/.claude/.credentials.json"), read_only));
}
