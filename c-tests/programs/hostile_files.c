/* A client among hostile files: hostile_files PLACE USER. Everything of hostile.h is put in that place by turns, and the
 * client's calls are made by that user. Says what each call gives, which must be the same with the library and without,
 * or what the protocol promises instead; that a victim outside stays as it is, and that nobody waits or keeps a
 * descriptor. */
#include <sys/time.h>

#include "hostile.h"

#define OLD "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"old\",\"expiresAt\":1}}"
#define NEW "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"new\",\"expiresAt\":2}}"
#define CREDENTIALS home("/.claude/.credentials.json")
#define TEMPORARY home("/.claude/.credentials.json.tmp")

/* The bound of a contended mkdir on the main thread, and that of other processes' removals, each several times over on
 * a machine that is busy. */
#define LONGEST 2000

static const struct kind *kind;
static int failures;

/* Makes a call, and says what it gave. */
#define SAY(call) say(#call, ({ long start = milliseconds(); errno = 0; long result = (call); \
	CHECK(milliseconds() - start < LONGEST); result; }))

static long say(const char *call, long result)
{
	printf("  %s: %d errno %d\n", call, result < 0 ? -1 : result > 0, result < 0 ? errno : 0);
	return result;
}

/* What another process gets that asks for the lock. */
static int asks(const char *lock)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(mkdir(lock, 0777) == 0 ? 0 : errno);
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void cycle(const char *lock)
{
	struct stat found;
	if (SAY(mkdir(lock, 0777)) != 0)
		return;
	SAY(stat(lock, &found));
	SAY(utimes(lock, 0));
	SAY(asks(lock) == EEXIST);
	SAY(rmdir(lock));
}

/* What is none of the client's: its locks work as ever. */
static void locks(void)
{
	cycle(SIBLING);
	cycle(IN_DIR);
	cycle(home("/.claude/.storage-write.lock"));
	cycle(SIBLING);
}

/* A lock that somebody else seems to hold excludes, by either path; a sibling alone did so natively. */
static void in_dir_lock(void)
{
	cycle(IN_DIR);
	int result = mkdir(SIBLING, 0777);
	CHECK(result == 0 || errno == EEXIST);
	/* Natively the sibling is another lock. */
	CHECK(active() ? (result == 0) == (kind->plant == plant_nothing) : result == 0);
}

static void content(void)
{
	char found[128] = "";
	int fd = raw_open(CREDENTIALS, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd >= 0 && kind->plant != plant_zero && kind->plant != plant_garbage && read(fd, found, sizeof found - 1) >= 0)
		printf("  content %.8s %zu\n", found, strlen(found));
	raw_close(fd);
}

static void reads(void)
{
	char byte;
	int fd = (int)SAY(open(CREDENTIALS, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	if (fd >= 0) {
		SAY(read(fd, &byte, 1));
		SAY(close(fd));
	}
}

/* As Node's clients write: truncated, and written anew, under the lock. */
static void writes(void)
{
	SAY(mkdir(SIBLING, 0777));
	if (!kind->blocks) {
		int fd = (int)SAY(open(CREDENTIALS, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
		if (fd >= 0) {
			SAY(write(fd, NEW, strlen(NEW)));
			SAY(close(fd));
			content();
		}
	}
	SAY(rmdir(SIBLING));
}

static void renames(void)
{
	int fd = raw_open(TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	raw_write(fd, NEW, strlen(NEW));
	raw_close(fd);
	SAY(mkdir(IN_DIR, 0777));
	SAY(rename(TEMPORARY, CREDENTIALS));
	SAY(rmdir(IN_DIR));
	content();
}

static void credentials(void)
{
	reads();
	writes();
	renames();
	reads();
}

static void sibling_lock(void)
{
	cycle(SIBLING);
	cycle(IN_DIR);
}

/* Where nothing is refused to the client that it would get natively, but for what may not be stored. */
static void config_directory(void)
{
	int result = mkdir(SIBLING, 0777);
	CHECK(result == 0 || (active() && (errno == EACCES || errno == EPERM)));
	CHECK(result != 0 || (on_disk(SIBLING) && rmdir(SIBLING) == 0));
	CHECK(!on_disk(SIBLING));
	cycle(IN_DIR);
}

static const struct place {
	const char *name, *path;
	void (*client)(void);
	enum { OURS, /* No call of the client's leads there. */
	       LOCKED, /* The same; and somebody who locks it holds a lock: programs/hostile_holder. */
	       CLIENTS, /* What it leads to, the client changes by itself. */
	} what;
} places[] = {
	{ "config_directory", "/.claude", config_directory, CLIENTS },
	{ "state_directory", "/.claude/.lockspan", locks, OURS },
	{ "guard", "/.claude/.lockspan/oauth_refresh.guard", locks, LOCKED },
	{ "record", "/.claude/.lockspan/oauth_refresh.owner", locks, OURS },
	{ "write_guard", "/.claude/.lockspan/storage-write.guard", locks, LOCKED },
	{ "write_record", "/.claude/.lockspan/storage-write.owner", locks, OURS },
	{ "removal", "/.claude/.lockspan/removal", locks, LOCKED },
	{ "description", "/.claude/.oauth_refresh.lock.owner", locks, OURS },
	{ "sibling_lock", "/.claude.lock", sibling_lock, OURS },
	{ "in_dir_lock", "/.claude/.oauth_refresh.lock", in_dir_lock, OURS },
	{ "credentials", "/.claude/.credentials.json", credentials, CLIENTS },
	{ "renamed", "/.claude/.credentials.json.tmp", credentials, OURS },
	{ "staged", "/.claude/.credentials.json.lockspan", credentials, OURS },
};
#define PLACES (sizeof places / sizeof *places)

/* A home in which there is nothing but what was planted, and what it needs. */
static void make_home(const struct place *place, unsigned number, uid_t user)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/home.%u", getenv("TEST_ROOT"), number);
	CHECK(raw_mkdir(path, 0755) == 0 && setenv("HOME", path, 1) == 0);
	CHECK(raw_syscall(SYS_fchownat, AT_FDCWD, (long)path, user, user, 0, 0) == 0);
	const char *directories[] = { "/.claude", "/.claude/.lockspan" };
	for (int i = 0; i < 2 && strlen(place->path) > strlen(directories[i]); i++) {
		if (strncmp(place->path, directories[i], strlen(directories[i])) != 0 || place->path[strlen(directories[i])] != '/')
			continue;
		CHECK(raw_mkdir(home(directories[i]), 0755) == 0);
		CHECK(raw_syscall(SYS_fchownat, AT_FDCWD, (long)home(directories[i]), user, user, 0, 0) == 0);
	}
	if (place->client == credentials && strcmp(place->name, "credentials") != 0) {
		write_file(CREDENTIALS, OLD, strlen(OLD));
		CHECK(raw_syscall(SYS_fchownat, AT_FDCWD, (long)CREDENTIALS, user, user, 0, 0) == 0);
	}
}

static void try_kind(const struct place *place, unsigned number, uid_t user)
{
	make_home(place, number, user);
	make_victims();
	if (kind->plant(home(place->path)) != 0) {
		printf("%s cannot be made\n", kind->name);
		return;
	}
	printf("%s\n", kind->name);
	fflush(stdout);
	struct victims before = look_at_victims();
	pid_t child = fork();
	if (child == 0) {
		alarm(20); /* the watchdog */
		CHECK(setgid(user) == 0 && setuid(user) == 0);
		int descriptors = count_descriptors();
		place->client();
		CHECK(count_descriptors() == descriptors);
		fflush(stdout);
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	int changed = victims_changed(&before);
	printf("  ended %d, victims %s\n", status, changed ? "changed" : "as before");
	failures += changed && place->what != CLIENTS;
	if (strstr(kind->name, "immutable") || strstr(kind->name, "append"))
		set_flags(home(place->path), 0);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		for (size_t i = 0; i < PLACES; i++)
			puts(places[i].name);
		return 0;
	}
	for (size_t i = 0; i < PLACES; i++)
		for (unsigned number = 0; number < KINDS && strcmp(argv[1], places[i].name) == 0; number++) {
			kind = &kinds[number];
			if (kind->plant != plant_locked || places[i].what != LOCKED)
				try_kind(&places[i], number, (uid_t)atoi(argv[2]));
		}
	return failures > 0;
}
