/* Renames by number onto the credentials file, by instructions of the program's own and through syscall():
 * raw_credentials CASE original|patched. The cases with "mount" need the right to mount. */
#include <sched.h>
#include <sys/mount.h>

#include "raw_program.h"

static char credentials[4096], temporary[4096], shared[4096];

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("one", "10")
#define PRESENT PAIR("two", "20")
#define NEWER PAIR("three", "30")
#define BLANK "{}"
#define EXCHANGE 2

/* By an open that nobody sees. */
static void store(const char *path, const char *content)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content) && close(fd) == 0);
}

static int holds(const char *path, const char *content)
{
	char found[1024];
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	ssize_t length = read(fd, found, sizeof found - 1);
	CHECK(length >= 0 && close(fd) == 0);
	found[length] = '\0';
	if (strcmp(found, content) != 0)
		fprintf(stderr, "found %s\n", found);
	return strcmp(found, content) == 0;
}

/* The answers of the kernel's kind. */
static long by_rename(void) { return raw_site_rename(temporary, credentials); }
static long by_renameat(void) { return raw_site_renameat(AT_FDCWD, temporary, AT_FDCWD, credentials); }
static long by_renameat2(void) { return raw_site_renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 0); }

/* An int has nothing to say in the upper half of its register. */
#define AS_INT(number) ((uint32_t)(number) | 0x5a5a5a5a00000000l)

static long by_descriptor(void)
{
	int directory = open(home("/.claude"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(directory >= 0);
	long result = raw_site_renameat2(AS_INT(directory), strrchr(temporary, '/') + 1, AS_INT(directory),
					 strrchr(credentials, '/') + 1, AS_INT(0));
	CHECK(close(directory) == 0);
	return result;
}

static long of_libc(long result)
{
	return result == -1 ? -errno : result;
}

static long by_number(void) { return of_libc(syscall(SYS_rename, temporary, credentials)); }
static long by_number_at(void) { return of_libc(syscall(SYS_renameat, AT_FDCWD, temporary, AT_FDCWD, credentials)); }
static long by_number_at2(void)
{
	return of_libc(syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, credentials, 0));
}

static const struct {
	const char *name;
	long (*rename)(void);
	int raw;
} ways[] = {
	{ "rename", by_rename, 1 },	      { "renameat", by_renameat, 1 },	    { "renameat2", by_renameat2, 1 },
	{ "descriptor", by_descriptor, 1 },   { "SYS_rename", by_number, 0 },	    { "SYS_renameat", by_number_at, 0 },
	{ "SYS_renameat2", by_number_at2, 0 },
};
static unsigned way;

/* Whether the library has a say in what is renamed this way. */
static int seen(void)
{
	return ways[way].raw ? redirected() : active();
}

static void publish(const char *content)
{
	store(temporary, content);
	errno = 4711;
	CHECK(ways[way].rename() == 0 && errno == 4711 && !lies_there(temporary));
}

static void cycle(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
}

/* One who has seen less than is there and brings nothing newer is refused, quietly. */
static void case_stale(void)
{
	cycle();
	store(credentials, PRESENT);
	publish(BLANK);
	CHECK(holds(credentials, seen() ? PRESENT : BLANK));
	store(credentials, PRESENT);
	publish(OLD);
	CHECK(holds(credentials, seen() ? PRESENT : OLD));
	publish(NEWER);
	CHECK(holds(credentials, NEWER));
}

/* What this process has brought it has seen: also where there was nothing before. */
static void case_own(void)
{
	cycle();
	publish(PRESENT);
	publish(BLANK);
	CHECK(holds(credentials, BLANK));
	CHECK(unlink(credentials) == 0);
	publish(PRESENT);
	publish(BLANK);
	CHECK(holds(credentials, BLANK));
}

/* With flags it is another call, and a failure is the kernel's. */
static void case_others(void)
{
	cycle();
	store(credentials, PRESENT);
	CHECK(ways[way].rename() == -ENOENT);
	CHECK(raw_site_rename(0, credentials) == -EFAULT && raw_site_rename(temporary, 0) == -EFAULT);
	store(temporary, BLANK);
	CHECK(raw_site_renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 1) == -EEXIST);
	CHECK(raw_site_renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, EXCHANGE) == 0);
	CHECK(holds(credentials, BLANK) && holds(temporary, PRESENT));
	CHECK(unlink(temporary) == 0);
}

/* A file that is a mount of its own is written in place. */
static void case_mount(void)
{
	struct stat before, after;
	strcpy(shared, home("/shared"));
	store(shared, OLD);
	CHECK(mount(shared, credentials, 0, MS_BIND, 0) == 0);
	CHECK(stat(credentials, &before) == 0);
	store(temporary, PRESENT);
	errno = 4711;
	CHECK(ways[way].rename() == (seen() ? 0 : -EBUSY));
	CHECK(!seen() || errno == 4711);
	CHECK(holds(shared, seen() ? PRESENT : OLD) && lies_there(temporary) != seen());
	CHECK(stat(credentials, &after) == 0 && before.st_ino == after.st_ino && before.st_mode == after.st_mode);
	if (seen()) {
		/* Compared here as well. */
		cycle();
		store(shared, NEWER);
		publish(BLANK);
		CHECK(holds(shared, NEWER));
	}
	CHECK(umount2(credentials, MNT_DETACH) == 0);
}

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(stale), NAMED(own), NAMED(others), NAMED(mount),
};

int main(int argc, char **argv)
{
	CHECK(argc == 1 || argc == 3);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (argc == 1) {
			puts(cases[i].name);
		} else if (strcmp(cases[i].name, argv[1]) == 0) {
			expect_sites(argv[2]);
			strcpy(credentials, home("/.claude/.credentials.json"));
			strcpy(temporary, home("/.claude/.credentials.json.tmp.1"));
			if (cases[i].run == case_mount &&
			    (unshare(CLONE_NEWNS) != 0 || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) != 0)) {
				puts("no right to mount");
				return 77;
			}
			/* Each in a process of its own, which has seen nothing. */
			for (way = 0; way < sizeof ways / sizeof *ways; way++) {
				int status;
				store(credentials, OLD);
				pid_t child = fork();
				if (child == 0) {
					cases[i].run();
					_exit(0);
				}
				CHECK(child > 0 && waitpid(child, &status, 0) == child);
				if (status != 0) {
					fprintf(stderr, "by %s\n", ways[way].name);
					return 1;
				}
			}
			return 0;
		}
	}
	return argc == 1 ? 0 : 2;
}
