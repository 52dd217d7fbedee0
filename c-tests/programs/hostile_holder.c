/* Somebody who shares the directory locks what he can, for ever: hostile_holder CASE. Every call of a client ends within
 * its bound, with what the protocol promises: a lock that is waited for in vain is as one that a live client keeps. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/time.h>

#include "hostile.h"

#define OLD "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"old\",\"expiresAt\":1}}"
#define NEW "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"new\",\"expiresAt\":2}}"

/* What a client waits for at most, on its main thread (ARCHITECTURE: Waiting; 100 ms for each removal and each publish
 * of others), and ten times that for a machine that is busy. */
#define WITHIN(bound, call) ({ long start = milliseconds(); errno = 0; long result = (call); int error = errno; \
	CHECK(milliseconds() - start < (bound) * 10); errno = error; result; })

static int locked(const char *path, int flags)
{
	int fd = raw_open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	CHECK(fd >= 0 && raw_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0) == 0);
	return fd;
}

/* The state directory, by a client that was there before; natively there is none. */
static void used_before(void)
{
	if (!active())
		CHECK(raw_mkdir(home("/.claude/.lockspan"), 0755) == 0);
	CHECK(asked_from_outside(IN_DIR) == 0 && asked_from_outside(SIBLING) == 0);
}

/* The guard alone, without a lock: after 200 ms its holder counts as one that has lost its lock. */
static void case_guard(void)
{
	used_before();
	locked(GUARD, O_CREAT);
	long start = milliseconds();
	while (WITHIN(40, mkdir(SIBLING, 0777)) != 0)
		CHECK(errno == EEXIST && milliseconds() - start < 10000);
	CHECK(rmdir(SIBLING) == 0);
}

/* The guard, and a lock that is touched: held. One that is touched no more is for the client's own rule. */
static void case_guard_and_lock(void)
{
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	used_before();
	locked(GUARD, O_CREAT);
	CHECK(raw_mkdir(IN_DIR, 0777) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(WITHIN(40, mkdir(IN_DIR, 0777)) == -1 && errno == EEXIST);
	CHECK(raw_syscall(SYS_utimensat, AT_FDCWD, (long)IN_DIR, (long)old, 0, 0, 0) == 0);
	struct stat found;
	CHECK(mkdir(IN_DIR, 0777) == -1 && errno == EEXIST && stat(IN_DIR, &found) == 0 && found.st_mtime == 1000000000);
	CHECK(WITHIN(100, rmdir(IN_DIR)) == 0 && mkdir(IN_DIR, 0777) == 0 && rmdir(IN_DIR) == 0);
}

/* The turn to remove a lock: it stays, for its own process and by staleness for others, until the turn is given back. */
static void case_removal(void)
{
	used_before();
	int fd = locked(home("/.claude/.lockspan/removal"), O_CREAT);
	CHECK(mkdir(IN_DIR, 0777) == 0 && WITHIN(100, utimes(IN_DIR, 0)) == 0);
	CHECK(WITHIN(200, rmdir(IN_DIR)) == 0 && on_disk(IN_DIR) == active());
	raw_close(fd);
	CHECK(mkdir(IN_DIR, 0777) == 0 && rmdir(IN_DIR) == 0 && !on_disk(IN_DIR));
}

/* A home in which the credentials file alone is shared. */
static void mount_credentials(void)
{
	char shared[4096];
	snprintf(shared, sizeof shared, "%s/shared", getenv("TEST_ROOT"));
	write_file(shared, OLD, strlen(OLD));
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) != 0) {
		puts("no right to mount");
		exit(77);
	}
	CHECK(mount(shared, home("/.claude/.credentials.json"), 0, MS_BIND, 0) == 0);
}

static int lock_all(int kind)
{
	struct flock all = { .l_type = (short)kind, .l_whence = SEEK_SET };
	int fd = raw_open(home("/.claude/.credentials.json"), (kind == F_RDLCK ? O_RDONLY : O_RDWR) | O_CLOEXEC, 0);
	CHECK(fd >= 0 && raw_fcntl(fd, F_OFD_SETLK, (long)&all) == 0);
	return fd;
}

/* Every byte of the file, by one who may write to it, or only read it. */
static void held_file(int kind)
{
	mount_credentials();
	int fd = lock_all(kind);
	for (int i = 0; i < 3; i++) {
		int made = (int)WITHIN(40, mkdir(SIBLING, 0777));
		CHECK(active() ? made == -1 && errno == EEXIST : made == 0);
		CHECK(active() || rmdir(SIBLING) == 0);
	}
	char byte;
	int credentials = (int)WITHIN(100, open(home("/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC));
	CHECK(credentials >= 0 && read(credentials, &byte, 1) == 1 && close(credentials) == 0);
	write_file(home("/.claude/new"), NEW, strlen(NEW));
	/* As natively: onto a mount. */
	CHECK(WITHIN(100, rename(home("/.claude/new"), home("/.claude/.credentials.json"))) == -1);
	CHECK(errno == EBUSY || errno == EXDEV);
	raw_close(fd);
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
}

static void case_file_written(void) { held_file(F_WRLCK); }
static void case_file_read(void) { held_file(F_RDLCK); }

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(guard), NAMED(guard_and_lock), NAMED(removal), NAMED(file_written), NAMED(file_read),
};

int main(int argc, char **argv)
{
	alarm(60); /* the watchdog */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (argc < 2)
			puts(cases[i].name);
		else if (strcmp(argv[1], cases[i].name) == 0) {
			int descriptors = count_descriptors();
			cases[i].run();
			/* Those that the case itself has left open. */
			CHECK(count_descriptors() <= descriptors + 1);
		}
	return 0;
}
