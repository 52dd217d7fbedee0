/* fstatat and its kin. FSTATAT(directory, path, status, flags) must be defined. */
#include "raw.h"

#define STAT(path, status) FSTATAT(AT_FDCWD, path, status, 0)
#include "stat.h"

static void at(const char *label, int directory, const char *path)
{
	struct stat status;
	CASE(label, FSTATAT(directory, path, &status, 0));
	CASE("  not following", FSTATAT(directory, path, &status, AT_SYMLINK_NOFOLLOW));
	CASE("  empty path allowed", FSTATAT(directory, path, &status, AT_EMPTY_PATH | AT_NO_AUTOMOUNT));
}

static void plain_at(void)
{
	struct stat status;
	plain();
	each_path_at(at, ALL_PATHS);
	CASE("bad flags", FSTATAT(AT_FDCWD, "file.lock", &status, 0x40000000));
}

static void on_lock_at(const char *lock)
{
	struct stat status;
	int parent = open_parent(lock);
	on_lock(lock);
	CASE("by descriptor", FSTATAT(parent, last_component(lock), &status, 0));
	CASE("not following", FSTATAT(parent, last_component(lock), &status, AT_SYMLINK_NOFOLLOW));
	CASE("bad flags", FSTATAT(parent, last_component(lock), &status, 0x40000000));
	raw_close(parent);
}
