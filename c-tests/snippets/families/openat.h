/* openat and openat64. OPENAT must be defined. */
#include "raw.h"

static volatile int read_only = O_RDONLY;
static volatile int path_only = O_PATH | O_NOFOLLOW | O_CLOEXEC;
static volatile int truncating = O_WRONLY | O_TRUNC;

static void for_reading(const char *label, int directory, const char *path)
{
	CASE_OPEN(label, OPENAT(directory, path, read_only));
}

static void for_writing(const char *label, int directory, const char *path)
{
	CASE_OPEN(label, OPENAT(directory, path, truncating));
}

static void creating(const char *label, int directory, const char *path)
{
	CASE_OPEN(label, OPENAT(directory, path, O_RDWR | O_CREAT, 0604));
}

static void plain(void)
{
	each_path_at(for_reading, ALL_PATHS);
	each_path_at(for_writing, ALL_PATHS);
	long mask = raw_syscall(SYS_umask, 0, 0, 0, 0, 0, 0);
	CASE_OPEN("create 06751", OPENAT(AT_FDCWD, "created.lock", O_WRONLY | O_CREAT | O_EXCL, 06751));
	CASE_OPEN("temporary 0640", OPENAT(AT_FDCWD, "directory", O_RDWR | O_TMPFILE, 0640));
	each_path_at(creating, ALL_PATHS);
	raw_syscall(SYS_umask, mask, 0, 0, 0, 0, 0);
}

static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	CASE_OPEN("by descriptor", OPENAT(parent, last_component(lock), path_only));
	CASE_OPEN("by path", OPENAT(AT_FDCWD, lock, path_only));
	CASE_OPEN("reading", OPENAT(parent, last_component(lock), read_only));
	CASE_OPEN("writing", OPENAT(parent, last_component(lock), truncating));
	raw_close(parent);
}
