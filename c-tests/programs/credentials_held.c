/* build: -Wno-unused-result */
/* A process that holds the lock truncates the credentials file and writes it anew, in the ways that programs do it.
 * With the library the write is staged: who looks meanwhile, through libc or not, finds the old content or the new
 * one, and whatever was written is there when the lock is given back. argv[1] says which case. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "program.h"

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("a-long-old-one", "1")
#define NEW PAIR("new", "2")
#define OTHER PAIR("other", "3")
#define FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC)

static char credentials[4096], lock[4096];

static void store(const char *content)
{
	int fd = raw_open(credentials, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	raw_close(fd);
}

static int holds(const char *content)
{
	char found[1024];
	int fd = raw_open(credentials, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	ssize_t length = read(fd, found, sizeof found);
	raw_close(fd);
	return length == (ssize_t)strlen(content) && memcmp(found, content, (size_t)length) == 0;
}

/* What the file holds while a write has begun: with the library the old content. */
static void meanwhile(const char *natively) { CHECK(holds(active() ? OLD : natively)); }

static int opened(void)
{
	int fd = open(credentials, FLAGS, 0600);
	CHECK(fd >= 0);
	meanwhile("");
	return fd;
}

static int written(void)
{
	int fd = opened();
	CHECK(write(fd, NEW, strlen(NEW)) == (ssize_t)strlen(NEW));
	meanwhile(NEW);
	return fd;
}

static void put(int fd)
{
	CHECK(fd >= 0 && write(fd, NEW, strlen(NEW)) == (ssize_t)strlen(NEW));
	meanwhile(NEW);
	CHECK(close(fd) == 0 && holds(NEW));
}

static void release(void) { CHECK(rmdir(lock) == 0); }

static void case_open(void) { put(open(credentials, FLAGS, 0600)); }
static void case_open64(void) { put(open64(credentials, FLAGS, 0600)); }
static void case_openat(void) { put(openat(AT_FDCWD, credentials, FLAGS, 0600)); }
static void case_creat(void) { put(creat(credentials, 0600)); }
static void case_inherited(void) { put(open(credentials, FLAGS & ~O_CLOEXEC, 0600)); }

static void case_relative(void)
{
	int directory = open(home("/.claude"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(openat(directory, ".credentials.json", FLAGS, 0600));
}

static void case_flags(void)
{
	int fd = opened();
	CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == O_WRONLY);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	struct stat found;
	CHECK(fstat(fd, &found) == 0 && found.st_size == 0 && (found.st_mode & 07777) == 0600);
	put(fd);
	CHECK(stat(credentials, &found) == 0 && (found.st_mode & 07777) == 0600 && found.st_nlink == 1);
}

static void case_in_parts(void)
{
	int fd = opened();
	for (size_t i = 0; i < strlen(NEW); i++) {
		CHECK(pwrite(fd, NEW + i, 1, (off_t)i) == 1);
		meanwhile(({ static char part[256]; memcpy(part, NEW, i + 1); part[i + 1] = '\0'; part; }));
	}
	CHECK(close(fd) == 0 && holds(NEW));
}

static void case_fclose(void)
{
	FILE *file = fdopen(opened(), "w");
	CHECK(file && fputs(NEW, file) >= 0 && fclose(file) == 0);
	release();
	CHECK(holds(NEW));
}

static void case_fclose_and_read(void)
{
	FILE *file = fdopen(opened(), "w");
	CHECK(file && fputs(NEW, file) >= 0 && fclose(file) == 0);
	char found[256] = "";
	int fd = open(credentials, O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, found, sizeof found) > 0 && strcmp(found, NEW) == 0);
}

static void case_closefrom(void) { int fd = written(); closefrom(fd); release(); CHECK(holds(NEW)); }
static void case_by_number(void) { CHECK(raw_close(written()) == 0); release(); CHECK(holds(NEW)); }
static void case_range(void) { int fd = written(); CHECK(close_range((unsigned)fd, (unsigned)fd, 0) == 0); release(); CHECK(holds(NEW)); }
static void case_replaced_descriptor(void) { int fd = written(); CHECK(dup2(0, fd) == fd); release(); CHECK(holds(NEW)); }

static void case_dup(void)
{
	int fd = opened(), copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	CHECK(close(fd) == 0);
	meanwhile("");
	put(copy);
}

/* Other files are opened, and other directories removed, while the write has only begun. */
static void case_other_files_meanwhile(void)
{
	CHECK(mkdir(home("/other.lock"), 0700) == 0 && mkdir(home("/other"), 0700) == 0);
	int fd = opened(), other = open(home("/settings.json"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(other >= 0 && write(fd, NEW, 10) == 10 && close(other) == 0);
	other = open(home("/.claude/"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(other >= 0 && close(other) == 0 && rmdir(home("/other.lock")) == 0 && rmdir(home("/other/")) == 0);
	CHECK(write(fd, NEW + 10, strlen(NEW) - 10) > 0 && close(fd) == 0 && holds(NEW));
}

/* The rest is written once the lock was given back: as good as a write without a lock. */
static void case_late(void)
{
	int fd = opened();
	CHECK(write(fd, NEW, 10) == 10);
	release();
	CHECK(write(fd, NEW + 10, strlen(NEW) - 10) > 0 && close(fd) == 0 && holds(NEW));
}

static void case_fclose_and_rename(void)
{
	FILE *file = fdopen(opened(), "w");
	CHECK(file && fputs(OTHER, file) >= 0 && fclose(file) == 0);
	int fd = raw_open(home("/.claude/tmp"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(fd, NEW, strlen(NEW)) > 0 && raw_close(fd) == 0 && rename(home("/.claude/tmp"), credentials) == 0);
	release();
	CHECK(holds(NEW));
}

static void case_mode(void)
{
	struct stat found;
	CHECK(chmod(credentials, 0644) == 0);
	int fd = opened();
	CHECK(fchmod(fd, 0600) == 0);
	put(fd);
	CHECK(stat(credentials, &found) == 0 && (found.st_mode & 07777) == 0600);
}

static void case_lowest_descriptor(void)
{
	int expected = dup(0);
	close(expected);
	int fd = opened();
	CHECK(fd == expected);
	put(fd);
}

static int stop;

static void *looks_on(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		close(open(credentials, O_RDONLY | O_CLOEXEC));
	return unused;
}

/* Other threads look at the file while it is written: what was closed is there, whoever has put it in place. */
static void case_seen_by_threads(void)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], 0, looks_on, 0) == 0);
	for (int i = 0; i < 300; i++) {
		int fd = open(credentials, FLAGS, 0600);
		CHECK(fd >= 0 && write(fd, i % 2 ? NEW : OTHER, strlen(i % 2 ? NEW : OTHER)) > 0);
		CHECK(close(fd) == 0 && holds(i % 2 ? NEW : OTHER));
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], 0) == 0);
}

static void case_child_writes(void)
{
	int fd = open(credentials, FLAGS & ~O_CLOEXEC, 0600);
	pid_t child = fork();
	if (child == 0) {
		CHECK(write(fd, NEW, strlen(NEW)) == (ssize_t)strlen(NEW) && close(fd) == 0);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	meanwhile(NEW);
	CHECK(close(fd) == 0 && holds(NEW));
}

static void case_half(void)
{
	int fd = opened();
	CHECK(write(fd, NEW, 10) == 10 && close(fd) == 0);
	release();
	CHECK(active() ? holds(OLD) : !holds(OLD));
	store(OLD);
}

static void case_nothing(void)
{
	CHECK(close(opened()) == 0);
	release();
	CHECK(holds(active() ? OLD : ""));
	store(OLD);
}

static void *other_thread(void *unused)
{
	(void)unused;
	put(opened());
	return 0;
}

static void case_thread(void)
{
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	CHECK(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
	CHECK(pthread_create(&thread, &attributes, other_thread, 0) == 0 && pthread_join(thread, 0) == 0);
}

static void case_again(void)
{
	for (int i = 0; i < 20; i++) {
		put(opened());
		store(OLD);
	}
}

static void case_two_at_once(void)
{
	int one = opened(), two = open(credentials, FLAGS, 0600);
	CHECK(two >= 0 && write(one, NEW, strlen(NEW)) > 0 && write(two, NEW, strlen(NEW)) > 0);
	CHECK(close(one) == 0 && close(two) == 0 && holds(NEW));
}

static void case_hard_link(void)
{
	struct stat before, after;
	CHECK(link(credentials, home("/other-name")) == 0 && stat(credentials, &before) == 0);
	put(opened());
	CHECK(stat(credentials, &after) == 0 && before.st_ino == after.st_ino);
}

static void case_access_list(void)
{
	/* One entry each for owner, user 12345, group, mask, others: version 2 of the kernel's format. */
	static const unsigned char list[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 57, 48, 0, 0,
		4, 0, 0, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255 };
	if (setxattr(credentials, "system.posix_acl_access", list, sizeof list, 0) != 0) {
		puts("no access control lists on this filesystem");
		exit(77);
	}
	struct stat before, after;
	CHECK(stat(credentials, &before) == 0);
	int fd = open(credentials, FLAGS, 0600);
	put(fd);
	CHECK(stat(credentials, &after) == 0 && before.st_ino == after.st_ino);
	CHECK(getxattr(credentials, "system.posix_acl_access", 0, 0) == sizeof list);
}

static void case_another_owner(void)
{
	if (geteuid() != 0) {
		puts("not root");
		exit(77);
	}
	CHECK(chown(credentials, 12345, 54321) == 0 && chmod(credentials, 0640) == 0);
	put(open(credentials, FLAGS, 0600));
	struct stat after;
	CHECK(stat(credentials, &after) == 0 && after.st_uid == 12345 && after.st_gid == 54321);
	CHECK((after.st_mode & 07777) == 0640);
}

static void case_first_login(void)
{
	CHECK(unlink(credentials) == 0);
	int fd = open(credentials, FLAGS, 0600);
	CHECK(fd >= 0 && write(fd, NEW, strlen(NEW)) > 0 && holds(NEW) && close(fd) == 0 && holds(NEW));
}

static void case_removed_meanwhile(void)
{
	int fd = written();
	CHECK(unlink(credentials) == 0 && close(fd) == 0 && !on_disk(credentials));
	store(OLD);
}

static void case_other_directory_meanwhile(void)
{
	int fd = written();
	CHECK(setenv("CLAUDE_CONFIG_DIR", home("/elsewhere"), 1) == 0 && close(fd) == 0 && holds(NEW));
	CHECK(unsetenv("CLAUDE_CONFIG_DIR") == 0);
}

/* Another process has refreshed while this one, which was robbed of its lock, still writes what it has. */
static void case_stale_pair(void)
{
	int fd = open(credentials, FLAGS, 0600);
	CHECK(fd >= 0);
	store(OTHER);
	CHECK(write(fd, NEW, strlen(NEW)) > 0 && close(fd) == 0);
	CHECK(!active() || holds(OTHER));
	store(OTHER);
}

static void case_log_out(void)
{
	int fd = opened();
	CHECK(write(fd, "{}", 2) == 2 && close(fd) == 0 && holds("{}"));
	store(OLD);
}

static void case_no_descriptors(void)
{
	int fd = written();
	struct rlimit limit, none = { 0, 0 };
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none.rlim_max = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	int result = close(fd);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(result == 0 || active());
	release();
	CHECK(holds(NEW));
}

static void case_file_size_limit(void)
{
	struct rlimit limit, small = { 20, RLIM_INFINITY };
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	signal(SIGXFSZ, SIG_IGN);
	int fd = opened();
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	CHECK(write(fd, NEW, strlen(NEW)) == 20 && write(fd, "x", 1) == -1 && errno == EFBIG);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0 && close(fd) == 0);
	release();
	CHECK(!active() || holds(OLD));
	store(OLD);
}

static int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += raw_fcntl(fd, F_GETFD, 0) >= 0;
	return count;
}

static void case_descriptors_and_maps(void)
{
	int before = descriptors();
	put(opened());
	release();
	CHECK(descriptors() == before);
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps))
		CHECK(!strstr(line, "memfd"));
	CHECK(maps && fclose(maps) == 0);
	struct dirent *entry;
	DIR *directory = opendir(home("/.claude"));
	while ((entry = readdir(directory)))
		CHECK(strncmp(entry->d_name, ".credentials.json.", 18) != 0);
	closedir(directory);
}

static void case_left_over_name(void)
{
	int fd = raw_open(home("/.claude/.credentials.json.lockspan"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	raw_close(fd);
	put(opened());
	if (!active())
		return;
	CHECK(!on_disk(home("/.claude/.credentials.json.lockspan")));
}

/* Without rmdir: the end of the process puts in place what nobody saw being closed. */
static void case_exit(void) { written(); exit(0); }
static void case_exit_by_return(void) { raw_close(written()); }

/* Ends in the middle of a write: the old content stays. */
static void case_killed(void) { written(); raise(SIGKILL); }
static void case_killed_half_way(void) { write(opened(), NEW, 10); raise(SIGKILL); }
static void case_exit_half_way(void) { write(opened(), NEW, 10); exit(0); }

#define ENDS_WITH(name, active_content) { #name, case_##name, active_content }
#define NAMED(name) ENDS_WITH(name, NEW)
static const struct { const char *name; void (*run)(void); const char *afterwards; } cases[] = {
	NAMED(open), NAMED(open64), NAMED(openat), NAMED(creat), NAMED(inherited), NAMED(relative), NAMED(flags),
	NAMED(in_parts), NAMED(fclose), NAMED(fclose_and_read), NAMED(closefrom), NAMED(by_number), NAMED(range),
	NAMED(replaced_descriptor), NAMED(dup), NAMED(other_files_meanwhile), NAMED(late),
	NAMED(fclose_and_rename), NAMED(mode), NAMED(lowest_descriptor), NAMED(seen_by_threads), NAMED(child_writes), ENDS_WITH(half, OLD), ENDS_WITH(nothing, OLD),
	NAMED(thread), ENDS_WITH(again, OLD), NAMED(two_at_once), NAMED(hard_link), NAMED(access_list),
	NAMED(another_owner), NAMED(first_login), ENDS_WITH(removed_meanwhile, OLD), NAMED(other_directory_meanwhile),
	ENDS_WITH(stale_pair, OTHER), ENDS_WITH(log_out, OLD), NAMED(no_descriptors), ENDS_WITH(file_size_limit, OLD),
	NAMED(descriptors_and_maps), NAMED(left_over_name), NAMED(exit), NAMED(exit_by_return), ENDS_WITH(killed, OLD),
	ENDS_WITH(killed_half_way, OLD), ENDS_WITH(exit_half_way, OLD),
};

int main(int argc, char **argv)
{
	strcpy(credentials, home("/.claude/.credentials.json"));
	strcpy(lock, home("/.claude.lock"));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (argc < 2) {
			puts(cases[i].name);
			continue;
		}
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		raw_unlink(credentials);
		store(OLD);
		/* "alone": without a parent, for strace to count its calls. */
		pid_t child = argc > 2 ? 0 : fork();
		if (child == 0) {
			CHECK(mkdir(lock, 0777) == 0);
			cases[i].run();
			if (on_disk(lock))
				release();
			exit(0);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
			return WEXITSTATUS(status);
		CHECK(holds(cases[i].afterwards) || !active());
		return 0;
	}
	return argc < 2 ? 0 : 2;
}
