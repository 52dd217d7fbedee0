/* What somebody who shares the directory may put in the place of a file, and the victim outside to which it leads.
 * By raw calls only: planting must neither pass through the library nor fill its caches. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <linux/fs.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

#include "program.h"

#define VICTIM_CONTENT "what is outside is none of lockspan's business\n"
#define FOREIGN 12345

/* Outside of the shared directory, on the same filesystem: a hard link can be made of it. */
static char victim[4096], victim_directory[4096];

static void write_file(const char *path, const char *content, size_t length)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && raw_write(fd, content, length) == (long)length);
	raw_close(fd);
}

static int node(const char *path, mode_t mode, dev_t device)
{
	return (int)raw_syscall(SYS_mknodat, AT_FDCWD, (long)path, mode, (long)device, 0, 0);
}

static int leads_to(const char *path, const char *target)
{
	return (int)raw_syscall(SYS_symlinkat, (long)target, AT_FDCWD, (long)path, 0, 0, 0);
}

static int plant_nothing(const char *path) { (void)path; return 0; }
static int plant_link_to_victim(const char *path) { return leads_to(path, victim); }
static int plant_link_to_directory(const char *path) { return leads_to(path, victim_directory); }
static int plant_dangling_link(const char *path) { return leads_to(path, home("/outside")); }
static int plant_loop(const char *path) { return leads_to(path, path); }
static int plant_fifo(const char *path) { return node(path, S_IFIFO | 0666, 0); }
static int plant_null(const char *path) { return node(path, S_IFCHR | 0666, makedev(1, 3)); }
static int plant_zero(const char *path) { return node(path, S_IFCHR | 0666, makedev(1, 5)); }
static int plant_terminal(const char *path) { return node(path, S_IFCHR | 0666, makedev(5, 0)); }

static int plant_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* Bound by a short name: those of sockets have little room. */
	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/lockspan-socket.%d", getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = bind(fd, (struct sockaddr *)&address, sizeof address);
	raw_close(fd);
	return result ? result : (int)raw_syscall(SYS_renameat, AT_FDCWD, (long)address.sun_path, AT_FDCWD, (long)path, 0, 0);
}

static int plant_hard_link(const char *path)
{
	return (int)raw_syscall(SYS_linkat, AT_FDCWD, (long)victim, AT_FDCWD, (long)path, 0, 0);
}

static int plant_empty(const char *path) { write_file(path, "", 0); return 0; }

static int plant_garbage(const char *path)
{
	static char garbage[1 << 16];
	unsigned state = 1;
	for (size_t i = 0; i < sizeof garbage; i++)
		garbage[i] = (char)((state = state * 1103515245 + 12345) >> 16);
	write_file(path, garbage, sizeof garbage);
	return 0;
}

/* As large as credentials may be, and nothing but depth. */
static int plant_brackets(const char *path)
{
	static char brackets[1 << 20];
	memset(brackets, '[', sizeof brackets);
	write_file(path, brackets, sizeof brackets);
	return 0;
}

static int plant_huge(const char *path)
{
	write_file(path, "{", 1);
	return (int)raw_syscall(SYS_truncate, (long)path, 3L << 30, 0, 0, 0, 0);
}

static int plant_of_mode(const char *path, mode_t mode)
{
	write_file(path, "{}", 2);
	return (int)raw_syscall(SYS_fchmodat, AT_FDCWD, (long)path, mode, 0, 0, 0);
}

static int plant_closed(const char *path) { return plant_of_mode(path, 0); }
static int plant_open_to_all(const char *path) { return plant_of_mode(path, 0666); }

static int give_away(const char *path)
{
	return (int)raw_syscall(SYS_fchownat, AT_FDCWD, (long)path, FOREIGN, FOREIGN, AT_SYMLINK_NOFOLLOW, 0);
}

static int plant_foreign(const char *path) { return plant_of_mode(path, 0600) || give_away(path); }

static int plant_directory(const char *path)
{
	char inner[4200];
	snprintf(inner, sizeof inner, "%s/inner", path);
	return raw_mkdir(path, 0755) || raw_mkdir(inner, 0755);
}

static int plant_closed_directory(const char *path) { return raw_mkdir(path, 0); }
static int plant_foreign_directory(const char *path) { return raw_mkdir(path, 0700) || give_away(path); }

static int set_flags(const char *path, int flags)
{
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	long result = raw_syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, (long)&flags, 0, 0, 0);
	raw_close(fd);
	return (int)result;
}

static int plant_immutable(const char *path) { return plant_empty(path) || set_flags(path, FS_IMMUTABLE_FL); }
static int plant_append_only(const char *path) { return plant_empty(path) || set_flags(path, FS_APPEND_FL); }
static int plant_immutable_directory(const char *path)
{
	return raw_mkdir(path, 0755) || set_flags(path, FS_IMMUTABLE_FL);
}

/* Whoever opens the file without O_NONBLOCK waits for three quarters of a minute. The descriptor stays open, for that
 * of the client too: it is one more in both counts. */
static int plant_lease(const char *path)
{
	write_file(path, "{}", 2);
	signal(SIGIO, SIG_IGN);
	int fd = raw_open(path, O_RDWR, 0);
	return raw_fcntl(fd, F_SETLEASE, F_WRLCK);
}

/* A file of any size whose every byte somebody has locked, in each of the ways there are. */
static int plant_locked(const char *path)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	write_file(path, "{}", 2);
	int fd = raw_open(path, O_RDWR, 0);
	return raw_fcntl(fd, F_OFD_SETLK, (long)&all) || (int)raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0);
}

struct kind {
	const char *name;
	int (*plant)(const char *path);
	/* Whether a client that opens it to write waits for somebody, natively too. */
	int blocks;
};

#define KIND(name) { #name, plant_##name, 0 }
#define BLOCKING_KIND(name) { #name, plant_##name, 1 }
static const struct kind kinds[] = {
	KIND(nothing), KIND(link_to_victim), KIND(link_to_directory), KIND(dangling_link), KIND(loop), BLOCKING_KIND(fifo),
	KIND(socket), KIND(null), KIND(zero), KIND(terminal), KIND(hard_link), KIND(empty), KIND(garbage), KIND(brackets),
	KIND(huge), KIND(closed), KIND(open_to_all), KIND(foreign), KIND(directory), KIND(closed_directory),
	KIND(foreign_directory), KIND(immutable), KIND(append_only), KIND(immutable_directory), BLOCKING_KIND(lease),
	KIND(locked),
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* All that must not change of the victims. */
struct victims {
	struct stat file, directory;
	char content[sizeof VICTIM_CONTENT];
};

static struct victims look_at_victims(void)
{
	struct victims found = { 0 };
	CHECK(raw_syscall(SYS_newfstatat, AT_FDCWD, (long)victim, (long)&found.file, 0, 0, 0) == 0);
	CHECK(raw_syscall(SYS_newfstatat, AT_FDCWD, (long)victim_directory, (long)&found.directory, 0, 0, 0) == 0);
	int fd = raw_open(victim, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0 && read(fd, found.content, sizeof found.content) >= 0);
	raw_close(fd);
	return found;
}

static int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

__attribute__((unused)) static int victims_changed(const struct victims *before)
{
	struct victims now = look_at_victims();
	return !same_file(&before->file, &now.file) || !same_file(&before->directory, &now.directory) ||
	       memcmp(before->content, now.content, sizeof now.content) != 0 || on_disk(home("/outside"));
}

/* Victims outside of HOME, old enough for each change of their times to be seen. */
__attribute__((unused)) static void make_victims(void)
{
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	snprintf(victim, sizeof victim, "%s/victim", getenv("TEST_ROOT"));
	snprintf(victim_directory, sizeof victim_directory, "%s/victim-directory", getenv("TEST_ROOT"));
	raw_syscall(SYS_unlinkat, AT_FDCWD, (long)victim, 0, 0, 0, 0);
	write_file(victim, VICTIM_CONTENT, strlen(VICTIM_CONTENT));
	raw_mkdir(victim_directory, 0755);
	CHECK(give_away(victim) == 0 && give_away(victim_directory) == 0);
	CHECK(raw_syscall(SYS_utimensat, AT_FDCWD, (long)victim, (long)old, 0, 0, 0) == 0);
	CHECK(raw_syscall(SYS_utimensat, AT_FDCWD, (long)victim_directory, (long)old, 0, 0, 0) == 0);
}

__attribute__((unused)) static int count_descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += raw_fcntl(fd, F_GETFD, 0) >= 0;
	return count;
}

__attribute__((unused)) static long milliseconds(void)
{
	struct timespec now;
	raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
