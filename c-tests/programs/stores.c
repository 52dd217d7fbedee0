/* build: -Wno-unused-result */
/* What the configuration adds: the locks and files of other clients. argv[1] says which case. Every process has a
 * home of its own, made of mounts, and shares what SHARED names: a directory, or one file. Needs the right to mount. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>

#include "program.h"

#define EXPIRED "{\"token\":\"one\",\"expires_at\":1700000000}"
#define FRESH "{\"token\":\"two\",\"expires_at\":99999999999}"

static char shared[4096];

static void store(const char *path, const char *content)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	raw_close(fd);
}

static int holds(const char *path, const char *content)
{
	char found[256];
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	ssize_t length = read(fd, found, sizeof found);
	raw_close(fd);
	return length == (ssize_t)strlen(content) && memcmp(found, content, (size_t)length) == 0;
}

/* A private home in which the store is shared, by its directory or alone. */
static void new_home(int alone)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mount("home", home(""), "tmpfs", 0, "mode=0700") == 0);
	CHECK(raw_mkdir(home("/.tool"), 0700) == 0);
	if (alone) {
		store(home("/.tool/auth.json"), "");
		CHECK(mount(shared, home("/.tool/auth.json"), 0, MS_BIND, 0) == 0);
	} else {
		CHECK(mount(shared, home("/.tool"), 0, MS_BIND, 0) == 0);
	}
}

static void share(int alone)
{
	if (alone) {
		store(shared, EXPIRED);
	} else {
		char path[5000];
		CHECK(raw_mkdir(shared, 0700) == 0);
		snprintf(path, sizeof path, "%s/auth.json", shared);
		store(path, EXPIRED);
	}
}

static void (*body)(int number);

/* Runs the body in so many homes at once; all must end well. */
static void in_homes(int count, int alone, void (*what)(int))
{
	body = what;
	pid_t children[16];
	for (int i = 0; i < count; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			new_home(alone);
			body(i);
			exit(0);
		}
	}
	for (int i = 0; i < count; i++) {
		int status;
		CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
}

struct critical {
	int inside, overlaps, taken, refreshed;
};
static struct critical *critical;

static void enter(void)
{
	if (__atomic_fetch_add(&critical->inside, 1, __ATOMIC_SEQ_CST) != 0)
		__atomic_fetch_add(&critical->overlaps, 1, __ATOMIC_SEQ_CST);
	usleep(500);
	__atomic_fetch_sub(&critical->inside, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&critical->taken, 1, __ATOMIC_SEQ_CST);
}

static void excluded(void)
{
	CHECK((critical->overlaps == 0) == active());
}

static void by_directory(const char *lock)
{
	for (int turn = 0; turn < 40;) {
		if (mkdir(lock, 0777) != 0) {
			CHECK(errno == EEXIST);
			continue;
		}
		enter();
		struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
		CHECK(utimensat(AT_FDCWD, lock, now, 0) == 0);
		CHECK(rmdir(lock) == 0);
		turn++;
		usleep((unsigned)(rand() % 500));
	}
}

static void on_the_directory(int number) { (void)number; by_directory(home("/.tool.lock")); }
static void on_the_file(int number) { (void)number; by_directory(home("/.tool/auth.json.lock")); }

static void case_directory(void) { share(0); in_homes(4, 0, on_the_directory); excluded(); }
static void case_file_mount(void) { share(1); in_homes(4, 1, on_the_file); excluded(); }

/* The lock is shared anyway; what the library adds is that a killed holder is passed at once. */
static void killed(int number)
{
	const char *lock = home("/.tool/auth.json.lock");
	if (number == 0) {
		CHECK(mkdir(lock, 0777) == 0);
		raise(SIGKILL);
	}
	int result = mkdir(lock, 0777);
	CHECK(active() ? result == 0 : result == -1 && errno == EEXIST);
	CHECK(rmdir(lock) == 0);
}

static void case_killed(void)
{
	share(0);
	for (int number = 0; number < 2; number++) {
		pid_t child = fork();
		if (child == 0) {
			new_home(0);
			killed(number);
			exit(0);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && (number == 0 ? WIFSIGNALED(status) : status == 0));
	}
}

static void by_file(int number)
{
	for (int turn = 0; turn < 40; turn++) {
		int fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		CHECK(fd >= 0);
		if (number % 2)
			CHECK(flock(fd, LOCK_EX) == 0);
		else
			CHECK(fcntl(fd, F_SETLKW, &range) == 0);
		enter();
		range.l_type = F_UNLCK;
		/* By each of the ways. */
		if (turn % 3 == 0)
			CHECK((number % 2 ? flock(fd, LOCK_UN) : fcntl(fd, F_SETLK, &range)) == 0);
		CHECK(close(fd) == 0);
		usleep((unsigned)(rand() % 500));
	}
}

static void case_file_lock(void) { share(1); in_homes(4, 1, by_file); excluded(); CHECK(critical->taken == 160); }

static void file_lock_refused(int number)
{
	int fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (number == 0) {
		CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);
		pid_t other = fork();
		if (other == 0) {
			raw_close(fd);
			new_home(1);
			fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			CHECK(flock(fd, LOCK_EX | LOCK_NB) == (active() ? -1 : 0));
			CHECK(!active() || errno == EWOULDBLOCK);
			CHECK(flock(fd, LOCK_UN) == 0);
			CHECK(fcntl(fd, F_SETLK, &range) == (active() ? -1 : 0));
			CHECK(!active() || errno == EAGAIN || errno == EACCES);
			exit(0);
		}
		int status;
		CHECK(waitpid(other, &status, 0) == other && status == 0);
		CHECK(flock(fd, LOCK_UN) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	}
}

/* The lock file is opened and closed once more: that ends no flock. */
static void by_file_opened_twice(int number)
{
	(void)number;
	for (int turn = 0; turn < 40; turn++) {
		int fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
		CHECK(close(open(home("/.tool/auth.json.lock"), O_RDONLY | O_CLOEXEC)) == 0);
		enter();
		CHECK(close(fd) == 0);
		usleep((unsigned)(rand() % 500));
	}
}

static void case_file_lock_opened_twice(void) { share(1); in_homes(2, 1, by_file_opened_twice); excluded(); }

static void expired(int signal) { (void)signal; }

/* A timer ends the wait, as flock(1) has one. */
static void file_lock_timer(int number)
{
	(void)number;
	int fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(flock(fd, LOCK_EX) == 0);
	pid_t other = fork();
	if (other == 0) {
		raw_close(fd);
		new_home(1);
		CHECK(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = expired }, 0) == 0);
		fd = open(home("/.tool/auth.json.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		alarm(1);
		CHECK(flock(fd, LOCK_EX) == (active() ? -1 : 0) && (!active() || errno == EINTR));
		exit(0);
	}
	int status;
	CHECK(waitpid(other, &status, 0) == other && status == 0);
}

static void case_file_lock_timer(void) { share(1); in_homes(1, 1, file_lock_timer); }

static void case_file_lock_refused(void) { share(1); in_homes(1, 1, file_lock_refused); }

/* A client without a lock, which reads again before it refreshes. */
static void refresh(int number)
{
	const char *path = home("/.tool/auth.json");
	char content[256] = "", temporary[5000];
	snprintf(temporary, sizeof temporary, "%s.%d", path, number);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, content, sizeof content - 1) > 0 && close(fd) == 0);
	if (strcmp(content, FRESH) == 0)
		return;
	__atomic_fetch_add(&critical->refreshed, 1, __ATOMIC_SEQ_CST);
	usleep(300000);
	if (number % 2) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		CHECK(write(fd, FRESH, strlen(FRESH)) == (ssize_t)strlen(FRESH) && close(fd) == 0);
	} else {
		store(temporary, FRESH);
		if (rename(temporary, path) != 0) {
			CHECK(errno == EBUSY);
			store(path, FRESH);
		}
	}
}

static void case_gate(void)
{
	share(0);
	in_homes(8, 0, refresh);
	CHECK(active() ? critical->refreshed == 1 : critical->refreshed > 1);
	char path[5000];
	snprintf(path, sizeof path, "%s/auth.json", shared);
	CHECK(holds(path, FRESH));
	snprintf(path, sizeof path, "%s/.lockspan/auth.json.lock", shared);
	CHECK(!on_disk(path));
}

static void case_gate_in_a_file_mount(void)
{
	share(1);
	in_homes(8, 1, refresh);
	CHECK(active() ? critical->refreshed == 1 : critical->refreshed > 1);
	CHECK(holds(shared, FRESH));
}

/* The first one dies before it has refreshed. */
static void dies_first(int number)
{
	if (number == 0) {
		int fd = open(home("/.tool/auth.json"), O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		__atomic_store_n(&critical->inside, 1, __ATOMIC_SEQ_CST);
		usleep(300000);
		_exit(0);
	}
	while (!__atomic_load_n(&critical->inside, __ATOMIC_SEQ_CST))
		usleep(1000);
	refresh(number);
}

static void case_gate_of_the_dead(void)
{
	share(0);
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	in_homes(4, 0, dies_first);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK(!active() || critical->refreshed == 1);
	/* Far less than the bound of a wait. */
	CHECK(end.tv_sec - start.tv_sec < 10);
}

/* A program reads the expired file, and a child of it refreshes: it must not wait for its own parent. */
static void by_a_child(int number)
{
	char content[256] = "";
	int fd = open(home("/.tool/auth.json"), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, content, sizeof content - 1) > 0 && close(fd) == 0);
	pid_t child = fork();
	if (child == 0) {
		alarm(10);
		refresh(number);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void case_gate_and_child(void) { share(0); in_homes(1, 0, by_a_child); CHECK(critical->refreshed == 1); }

/* Files of the same name, or in the same directory, have gates of their own. */
static void case_gate_of_each_file(void)
{
	static const char *const files[] = { "/.tool/auth.json", "/.other/auth.json", "/.other/second.json" };
	CHECK(raw_mkdir(home("/.tool"), 0700) == 0 && raw_mkdir(home("/.other"), 0700) == 0);
	for (int i = 0; i < 3; i++)
		store(home(files[i]), EXPIRED);
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < 3; i++) {
		CHECK(close(open(home(files[i]), O_RDONLY | O_CLOEXEC)) == 0);
		const char *gate = home("/.other/.lockspan/second.json.lock");
		CHECK(on_disk(i == 0 ? home("/.tool/.lockspan/auth.json.lock") : i == 1 ?
			home("/.other/.lockspan/auth.json.lock") : gate) == active());
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK(end.tv_sec - start.tv_sec < 10);
}

/* What another client writes while it holds its lock need be no JSON, and may be large. */
static void case_any_content(void)
{
	static const char *const contents[] = { "[1, 2]", "", "// a comment's\n{}", "\"text\"", "{}\n{}\n" };
	const char *path = home("/.tool/auth.json"), *lock = home("/.tool/auth.json.lock");
	CHECK(raw_mkdir(home("/.tool"), 0700) == 0 && mkdir(lock, 0777) == 0);
	store(path, EXPIRED);
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		CHECK(write(fd, contents[i], strlen(contents[i])) >= 0 && close(fd) == 0 && holds(path, contents[i]));
	}
	static char large[3 << 20];
	struct stat found;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(write(fd, large, sizeof large) == sizeof large && close(fd) == 0 && rmdir(lock) == 0);
	CHECK(stat(path, &found) == 0 && found.st_size == sizeof large);
}

/* A client that takes a lock has no need of a gate, and must not wait for one. */
static void takes_a_lock(int number)
{
	(void)number;
	CHECK(mkdir(home("/.tool/auth.json.lock"), 0777) == 0);
	refresh(0);
	CHECK(rmdir(home("/.tool/auth.json.lock")) == 0);
	CHECK(!on_disk(home("/.tool/.lockspan/auth.json.lock")));
}

static void case_gate_refused(void) { share(0); in_homes(1, 0, takes_a_lock); }

/* Claude Code's own file, replaced in place because the configuration says so. */
static void case_inode_preserving(void)
{
	const char *path = home("/.claude/.credentials.json"), *temporary = home("/.claude/tmp");
	struct stat before, after;
	CHECK(stat(path, &before) == 0);
	store(temporary, "{\"claudeAiOauth\":{\"refreshToken\":\"two\",\"expiresAt\":20}}");
	CHECK(rename(temporary, path) == 0 && !on_disk(temporary));
	CHECK(stat(path, &after) == 0 && (before.st_ino == after.st_ino) == active());
	CHECK(holds(path, "{\"claudeAiOauth\":{\"refreshToken\":\"two\",\"expiresAt\":20}}"));
	CHECK(stat(path, &before) == 0 && mkdir(SIBLING, 0777) == 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(write(fd, FRESH, strlen(FRESH)) == (ssize_t)strlen(FRESH) && close(fd) == 0 && rmdir(SIBLING) == 0);
	CHECK(stat(path, &after) == 0 && before.st_ino == after.st_ino && holds(path, FRESH));
}

/* A configuration that cannot be followed: nothing is done at all. */
static void case_inert(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0 && !on_disk(IN_DIR) && rmdir(SIBLING) == 0);
}

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(directory), NAMED(file_mount), NAMED(killed), NAMED(file_lock), NAMED(file_lock_opened_twice), NAMED(file_lock_refused),
	NAMED(file_lock_timer), NAMED(any_content), NAMED(gate), NAMED(gate_of_each_file), NAMED(gate_in_a_file_mount), NAMED(gate_of_the_dead),
	NAMED(gate_and_child), NAMED(gate_refused), NAMED(inode_preserving), NAMED(inert),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (argc < 2) {
			puts(cases[i].name);
			continue;
		}
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		critical = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		snprintf(shared, sizeof shared, "%s/shared", getenv("TEST_ROOT"));
		cases[i].run();
		return 0;
	}
	return argc < 2 ? 0 : 2;
}
