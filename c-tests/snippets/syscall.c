#include <sys/mman.h>
#include <sys/syscall.h>

#include "raw.h"
#include "snippet.h"
#include "statx_types.h"

EXACT(long, syscall, (long, ...));

static struct statx extended;
static struct stat status;
static const struct timespec times[2] = { { 1700000001, 0 }, { 1700000002, 500000000 } };

static void at(const char *label, int directory, const char *path)
{
	record_section("syscall", label);
	CASE("statx", CALL(syscall)(SYS_statx, directory, path, 0, STATX_ALL, &extended));
#ifdef SYS_newfstatat
	CASE("newfstatat", CALL(syscall)(SYS_newfstatat, directory, path, &status, 0));
#endif
	CASE("faccessat", CALL(syscall)(SYS_faccessat, directory, path, F_OK));
	CASE("faccessat2", CALL(syscall)(SYS_faccessat2, directory, path, R_OK, AT_EACCESS));
	CASE("utimensat", CALL(syscall)(SYS_utimensat, directory, path, times, 0));
	CASE_OPEN("openat", (int)CALL(syscall)(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC, 0));
	CASE("mkdirat", CALL(syscall)(SYS_mkdirat, directory, path, 0777));
	CASE("renameat2", CALL(syscall)(SYS_renameat2, directory, path, AT_FDCWD, "renamed.lock", 1));
	CASE("  back", CALL(syscall)(SYS_renameat2, AT_FDCWD, "renamed.lock", directory, path, 1));
	CASE("unlinkat", CALL(syscall)(SYS_unlinkat, directory, path, 0));
	CASE("unlinkat directory", CALL(syscall)(SYS_unlinkat, directory, path, AT_REMOVEDIR));
}

/* Every argument must arrive: six of them, none of them a path. */
static void arguments(void)
{
	CASE("getpid", CALL(syscall)(SYS_getpid) == raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0));
	int file = raw_open("directory/inner", O_RDONLY | O_CLOEXEC, 0);
	errno = ERRNO_SENTINEL;
	const char *mapped = (const char *)CALL(syscall)(SYS_mmap, 0L, 4096L, (long)PROT_READ, (long)MAP_PRIVATE,
							 (long)file, 0L);
	int error = errno;
	record_result("mmap", mapped != MAP_FAILED, error);
	if (mapped != MAP_FAILED)
		record_number("first byte", mapped[0]);
	CASE("mmap bad offset", CALL(syscall)(SYS_mmap, 0L, 4096L, (long)PROT_READ, (long)MAP_PRIVATE, (long)file, 1L));
	raw_close(file);
	CASE("no such call", CALL(syscall)(100000L));
	CASE("negative", CALL(syscall)(-1L));
	CASE("close", CALL(syscall)(SYS_close, -1));
	int ends[2] = { -1, -1 };
	CASE("pipe2", CALL(syscall)(SYS_pipe2, ends, O_CLOEXEC));
	if (ends[0] >= 0) {
		CASE("write", CALL(syscall)(SYS_write, ends[1], "ab", 2L));
		CASE("close", CALL(syscall)(SYS_close, ends[0]));
		CASE("close", CALL(syscall)(SYS_close, ends[1]));
	}
}

static void plain(void)
{
	arguments();
	each_path_at(at, ALL_PATHS);
	long mask = raw_syscall(SYS_umask, 0, 0, 0, 0, 0, 0);
	CASE_OPEN("create 06751",
		  (int)CALL(syscall)(SYS_openat, AT_FDCWD, "created.lock", O_WRONLY | O_CREAT | O_EXCL, 06751));
	raw_syscall(SYS_umask, mask, 0, 0, 0, 0, 0);
#ifdef SYS_mkdir
	CASE("mkdir", CALL(syscall)(SYS_mkdir, "made.lock", 0777));
	CASE("stat", CALL(syscall)(SYS_stat, "made.lock", &status));
	CASE("lstat", CALL(syscall)(SYS_lstat, "made.lock", &status));
	CASE("access", CALL(syscall)(SYS_access, "made.lock", F_OK));
	CASE("rename", CALL(syscall)(SYS_rename, "made.lock", "moved.lock"));
	CASE("rmdir", CALL(syscall)(SYS_rmdir, "moved.lock"));
	CASE("unlink", CALL(syscall)(SYS_unlink, "moved.lock"));
#endif
}

/* The whole cycle as it comes from a program that never calls the wrappers. */
static void on_lock(const char *lock)
{
	int parent = open_parent(lock);
	const char *name = last_component(lock);
	CASE("mkdirat", CALL(syscall)(SYS_mkdirat, AT_FDCWD, lock, 0777));
	CASE("mkdirat", CALL(syscall)(SYS_mkdirat, parent, name, 0777));
	CASE("utimensat", CALL(syscall)(SYS_utimensat, parent, name, times, 0));
	/* Again by path: without descriptors there is no parent. */
	CASE("utimensat", CALL(syscall)(SYS_utimensat, AT_FDCWD, lock, times, 0));
	errno = ERRNO_SENTINEL;
	long result = CALL(syscall)(SYS_statx, AT_FDCWD, lock, AT_STATX_SYNC_AS_STAT, STATX_ALL, &extended);
	record_result("statx", result, errno);
	if (result == 0) {
		record_number("seconds", (long)extended.stx_mtime.tv_sec);
		record_number("nanoseconds", extended.stx_mtime.tv_nsec);
		record_number("mode", extended.stx_mode);
	}
#ifdef SYS_newfstatat
	errno = ERRNO_SENTINEL;
	result = CALL(syscall)(SYS_newfstatat, parent, name, &status, AT_SYMLINK_NOFOLLOW);
	record_result("newfstatat", result, errno);
	if (result == 0) {
		record_number("seconds", status.st_mtim.tv_sec);
		record_number("nanoseconds", status.st_mtim.tv_nsec);
	}
#endif
	CASE("faccessat2", CALL(syscall)(SYS_faccessat2, AT_FDCWD, lock, F_OK, AT_EACCESS));
	CASE("statx NULL", CALL(syscall)(SYS_statx, AT_FDCWD, lock, 0, STATX_ALL, 0L));
	CASE("renameat2", CALL(syscall)(SYS_renameat2, AT_FDCWD, lock, AT_FDCWD, in_root("/work/file"), 0));
	CASE("unlinkat", CALL(syscall)(SYS_unlinkat, AT_FDCWD, lock, 0));
	CASE("unlinkat directory", CALL(syscall)(SYS_unlinkat, parent, name, AT_REMOVEDIR));
	CASE("unlinkat directory", CALL(syscall)(SYS_unlinkat, AT_FDCWD, lock, AT_REMOVEDIR));
	raw_close(parent);
}

SNIPPET(syscall, ASYNC_SIGNAL_SAFE, plain, on_lock);
