/* The credentials file as a mount of its own, which is all that several homes share: argv[1] says which case. Needs
 * the right to mount. Every process makes a mount namespace and a home of its own. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

#include "moments.h"
#include "program.h"

static char shared[4096], credentials[4096], temporary[4096];

#define PAIR(token, expires, more)                                                                              \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}" more
#define OLD PAIR("one", "10", "")
#define SHORTER "{}"
#define EQUAL PAIR("two", "20", "")
#define LONGER PAIR("two", "20", "                                                                          ")

static void store(const char *path, const char *content, size_t length)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, length) == (ssize_t)length && close(fd) == 0);
}

static int holds(const char *path, const char *content, size_t length)
{
	static char found[1 << 16];
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	ssize_t got = read(fd, found, sizeof found);
	CHECK(close(fd) == 0);
	return got == (ssize_t)length && memcmp(found, content, length) == 0;
}

/* A private home with the shared file in it. */
static void new_home(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mount("home", home(""), "tmpfs", 0, "mode=0700") == 0);
	CHECK(raw_mkdir(home("/.claude"), 0700) == 0);
	store(credentials, "", 0);
	CHECK(mount(shared, credentials, 0, MS_BIND, 0) == 0);
}

/* What another home gets that asks for the lock by its `name`: 0, after which it has given it back, or the errno. */
static int asked_elsewhere(const char *name)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "elsewhere", "ask", name, (char *)0);
		_exit(126);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int ask(const char *name)
{
	new_home();
	const char *lock = home(name);
	if (mkdir(lock, 0777) != 0)
		return errno;
	CHECK(rmdir(lock) == 0);
	return 0;
}

static int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += raw_fcntl(fd, F_GETFD, 0) >= 0;
	return count;
}

static void publish(const char *content, size_t length)
{
	struct stat before, after;
	store(shared, OLD, strlen(OLD));
	store(temporary, content, length);
	CHECK(stat(credentials, &before) == 0);
	int open_before = descriptors();
	errno = 4711;
	int result = rename(temporary, credentials);
	if (!active()) {
		CHECK(result == -1 && errno == EBUSY);
		return;
	}
	CHECK(result == 0 && errno == 4711);
	CHECK(holds(credentials, content, length) && holds(shared, content, length) && !on_disk(temporary));
	CHECK(stat(credentials, &after) == 0);
	CHECK(before.st_ino == after.st_ino && before.st_mode == after.st_mode && before.st_uid == after.st_uid);
	CHECK(descriptors() == open_before);
}

/* In a process of its own, which has seen nothing. */
static void publishes(const char *content, size_t length)
{
	pid_t child = fork();
	if (child == 0) {
		publish(content, length);
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void case_publish(void)
{
	static char large[60000];
	publishes(SHORTER, strlen(SHORTER));
	publishes(EQUAL, strlen(EQUAL));
	publishes(LONGER, strlen(LONGER));
	publishes("", 0);
	memset(large, ' ', sizeof large);
	memcpy(large, OLD, strlen(OLD));
	publishes(large, sizeof large);
}

/* As without the library: nothing happens, and no name is removed. */
static void case_same(void)
{
	CHECK(rename(credentials, credentials) == 0);
	CHECK(holds(shared, OLD, strlen(OLD)));
}

/* The file by another name, and one of another filesystem. */
static void case_other_name(void)
{
	CHECK(rename(shared, credentials) == -1 && (errno == EXDEV || errno == EBUSY));
	CHECK(on_disk(shared) && holds(credentials, OLD, strlen(OLD)));
}

static void case_errors(void)
{
	char link_name[5000];
	CHECK(rename(temporary, credentials) == -1 && errno == ENOENT);
	CHECK(raw_mkdir(temporary, 0700) == 0);
	CHECK(rename(temporary, credentials) == -1 && (errno == ENOTDIR || errno == EBUSY) && on_disk(temporary));
	CHECK(raw_rmdir(temporary) == 0);
	store(temporary, EQUAL, strlen(EQUAL));
	snprintf(link_name, sizeof link_name, "%s.link", temporary);
	CHECK(symlink(temporary, link_name) == 0);
	CHECK(rename(link_name, credentials) == -1 && errno == EBUSY && on_disk(temporary));
	CHECK(renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 1) == -1 && errno == EEXIST);
	CHECK(renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 2) == -1 && errno == EBUSY);
	CHECK(rename(NULL, credentials) == -1 && errno == EFAULT);
	CHECK(holds(shared, OLD, strlen(OLD)) && holds(temporary, EQUAL, strlen(EQUAL)));
}

static void case_slash(void)
{
	char slashed[5000];
	store(temporary, EQUAL, strlen(EQUAL));
	strcat(strcpy(slashed, credentials), "/");
	CHECK(rename(temporary, slashed) == -1 && errno == ENOTDIR);
	CHECK(holds(shared, OLD, strlen(OLD)) && holds(temporary, EQUAL, strlen(EQUAL)));
}

static void case_read_only(void)
{
	store(temporary, EQUAL, strlen(EQUAL));
	CHECK(mount("none", credentials, 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0) == 0);
	int open_before = descriptors();
	CHECK(mkdir(SIBLING, 0777) == (active() ? -1 : 0));
	if (active()) {
		CHECK(errno == EROFS && !on_disk(SIBLING) && !on_disk(IN_DIR));
		CHECK(mkdir(IN_DIR, 0777) == -1 && errno == EROFS);
	}
	CHECK(rename(temporary, credentials) == -1 && errno == EBUSY);
	CHECK(holds(shared, OLD, strlen(OLD)) && holds(temporary, EQUAL, strlen(EQUAL)));
	CHECK(descriptors() == open_before);
}

/* A filesystem that is full for real. */
static void case_full(void)
{
	static char large[20000], filler[4096];
	char path[5000];
	snprintf(path, sizeof path, "%s-small", shared);
	CHECK(raw_mkdir(path, 0700) == 0 && mount("small", path, "tmpfs", 0, "size=32k") == 0);
	strcat(path, "/credentials");
	store(path, OLD, strlen(OLD));
	CHECK(umount2(credentials, MNT_DETACH) == 0 && mount(path, credentials, 0, MS_BIND, 0) == 0);
	strcpy(strrchr(path, '/'), "/filler");
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, filler, sizeof filler) > 0)
		;
	CHECK(errno == ENOSPC && close(fd) == 0);
	memset(large, ' ', sizeof large);
	memcpy(large, EQUAL, strlen(EQUAL));
	store(temporary, large, sizeof large);
	CHECK(rename(temporary, credentials) == -1 && errno == (active() ? ENOSPC : EBUSY));
	CHECK(holds(credentials, OLD, strlen(OLD)) && holds(temporary, large, sizeof large));
	/* What needs no more room goes through all the same. */
	store(temporary, EQUAL, strlen(EQUAL));
	CHECK(rename(temporary, credentials) == (active() ? 0 : -1));
	CHECK(holds(credentials, active() ? EQUAL : OLD, strlen(OLD)));
}

/* The publish must not bring the host a signal that a rename does not. */
static void case_file_size_limit(void)
{
	store(temporary, LONGER, strlen(LONGER));
	struct rlimit limit = { strlen(OLD), strlen(OLD) };
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	int result = rename(temporary, credentials);
	CHECK(result == -1 && (errno == EFBIG || errno == EBUSY));
	CHECK(holds(shared, OLD, strlen(OLD)) && on_disk(temporary));
}

/* One publish, for strace to disturb. */
static int one(const char *content)
{
	new_home();
	store(temporary, content, strlen(content));
	int result = rename(temporary, credentials), error = errno;
	printf("result %d errno %d source %s\n", result, result ? error : 0, on_disk(temporary) ? "stays" : "gone");
	return 0;
}

static int is_with_spaces(const char *found, size_t length, const char *content)
{
	size_t known = strlen(content);
	if (length < known || memcmp(found, content, known) != 0)
		return 0;
	while (known < length && found[known] == ' ')
		known++;
	return known == length;
}

/* The old content or the new one, but for spaces at its end. */
static void whole(const char *when)
{
	char found[4096];
	int fd = raw_open(shared, O_RDONLY | O_CLOEXEC, 0);
	ssize_t length = read(fd, found, sizeof found);
	CHECK(fd >= 0 && length >= 0 && close(fd) == 0);
	if (!is_with_spaces(found, length, SHORTER) && !is_with_spaces(found, length, OLD) &&
	    !is_with_spaces(found, length, EQUAL)) {
		fprintf(stderr, "%s: %zd bytes, as far as there is no NUL: %.*s\n", when, length, (int)length, found);
		_exit(1);
	}
}

/* A writer is killed again and again. What a reader sees that looks in the middle of a write is the lab's to count. */
static void case_killed(void)
{
	for (int round = 0; round < 400; round++) {
		pid_t writer = fork();
		if (writer == 0) {
			for (int turn = 0;; turn++) {
				const char *content = turn % 3 == 0 ? EQUAL : turn % 3 == 1 ? SHORTER : OLD;
				store(temporary, content, strlen(content));
				rename(temporary, credentials);
			}
		}
		struct timespec pause = { 0, (rand() % 2000) * 1000 };
		nanosleep(&pause, 0);
		CHECK(kill(writer, SIGKILL) == 0 && waitpid(writer, 0, 0) == writer);
		whole("after a kill");
	}
	/* And nobody has to wait for the dead. */
	store(temporary, EQUAL, strlen(EQUAL));
	CHECK(rename(temporary, credentials) == (active() ? 0 : -1));
}

struct critical {
	int inside, overlaps, taken;
};

static void case_exclude(void)
{
	struct critical *critical = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[4];
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			new_home();
			/* Old and new clients. */
			const char *lock = i % 2 ? SIBLING : IN_DIR;
			for (int turn = 0; turn < 40;) {
				if (mkdir(lock, 0777) != 0) {
					CHECK(errno == EEXIST);
					continue;
				}
				if (__atomic_fetch_add(&critical->inside, 1, __ATOMIC_SEQ_CST) != 0)
					__atomic_fetch_add(&critical->overlaps, 1, __ATOMIC_SEQ_CST);
				usleep(500);
				__atomic_fetch_sub(&critical->inside, 1, __ATOMIC_SEQ_CST);
				__atomic_fetch_add(&critical->taken, 1, __ATOMIC_SEQ_CST);
				CHECK(rmdir(lock) == 0);
				turn++;
				usleep(rand() % 500);
			}
			exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status;
		CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	CHECK(critical->taken == 160);
	/* Without the library they do not exclude each other, or this would show nothing. */
	if ((critical->overlaps == 0) != active())
		fprintf(stderr, "%d overlaps\n", critical->overlaps);
	CHECK((critical->overlaps == 0) == active());
}

static const char *const names[] = { "/.claude.lock", "/.claude/.oauth_refresh.lock", "/.claude/.storage-write.lock" };

/* Holds the lock in a home of its own until it is killed. */
static pid_t holder(const char *name, void (*then)(void))
{
	int ready[2];
	char byte;
	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		new_home();
		CHECK(mkdir(home(name), 0777) == 0);
		if (then)
			then();
		CHECK(write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	CHECK(pid > 0 && close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 && close(ready[0]) == 0);
	return pid;
}

static void ends(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, 0, 0) == pid);
}

static void case_killed_holder(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = holder(names[i], 0);
		CHECK(asked_elsewhere(names[i]) == (active() ? EEXIST : 0));
		if (active())
			CHECK(asked_elsewhere(names[(i + 1) % 3]) == (i == 0 ? EEXIST : 0));
		ends(pid);
		CHECK(asked_elsewhere(names[i]) == 0);
	}
}

/* Who has no descriptor to look with whether somebody else holds the lock does not get it. */
static void case_no_descriptors(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = holder(names[i], 0);
		const char *lock = home(names[i]);
		int result = mkdir(lock, 0777);
		CHECK(active() ? result == -1 && errno == EEXIST : result == 0 && rmdir(lock) == 0);
		struct rlimit before, limit;
		CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
		limit = before;
		limit.rlim_cur = 0;
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		result = mkdir(lock, 0777);
		CHECK(active() ? result == -1 && errno == EEXIST : result == 0 && rmdir(lock) == 0);
		CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
		ends(pid);
		CHECK(mkdir(lock, 0777) == 0 && rmdir(lock) == 0);
	}
}

/* A write that was begun under a lock which is lost since does not replace what somebody else has stored meanwhile. */
static void case_robbed_writer(void)
{
	static const char newest[] = PAIR("three", "30", "");
	struct stat found;
	CHECK(mkdir(home(names[0]), 0777) == 0);
	int fd = open(credentials, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, EQUAL, strlen(EQUAL)) == (ssize_t)strlen(EQUAL));
	for (int i = 0; i < 2; i++)
		raw_rmdir(home(names[i])); /* natively the second is not there */
	CHECK(stat(home(names[0]), &found) == -1 && errno == ENOENT); /* now it knows */
	store(shared, newest, strlen(newest));
	CHECK(mkdir(home(names[0]), 0777) == 0);
	int reader = open(credentials, O_RDONLY | O_CLOEXEC);
	CHECK(reader >= 0 && close(reader) == 0 && holds(shared, newest, strlen(newest)));
	CHECK(close(fd) == 0 && rmdir(home(names[0])) == 0 && holds(shared, newest, strlen(newest)));
}

/* Where the leases of the refresh lock and of the write lock lie, a byte for each millisecond. */
#define REGION (1LL << 60)
#define LANE (1LL << 40)
#define LEASE 60000
static long long region_of(const char *name)
{
	return (1LL << 62) + (strstr(name, "write") ? 2 : 1) * REGION;
}

static int open_shared(void)
{
	int fd = raw_open(shared, O_RDWR | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	return fd;
}

/* What is locked for writing of these bytes. */
static struct flock locked(long long first, long long count)
{
	int fd = open_shared();
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = count };
	CHECK(raw_fcntl(fd, F_OFD_GETLK, (long)&range) == 0 && raw_close(fd) == 0);
	return range;
}

/* A lease of somebody who does not renew it, with the lanes behind its own, until the descriptor is closed. */
static int lease_from(long long first)
{
	int fd = open_shared();
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = LEASE };
	CHECK(raw_fcntl(fd, F_OFD_SETLK, (long)&range) == 0);
	range.l_type = F_RDLCK;
	range.l_start = (first / LANE + 1) * LANE;
	range.l_len = (first / REGION + 1) * REGION - range.l_start;
	CHECK(range.l_len == 0 || raw_fcntl(fd, F_OFD_SETLK, (long)&range) == 0);
	return fd;
}

/* A lease has an age: one that has run out is passed, by one process at a time; unless another kernel's clock counts
 * its milliseconds. */
static void case_lease(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = holder(names[i], 0);
		struct flock lease = locked(region_of(names[i]), REGION);
		CHECK(!active() == (lease.l_type == F_UNLCK));
		CHECK(!active() || (lease.l_type == F_WRLCK && lease.l_len == LEASE));
		ends(pid);
		if (!active())
			continue;
		CHECK(asked_elsewhere(names[i]) == 0);
		int half = lease_from(lease.l_start - LEASE / 2);
		CHECK(asked_elsewhere(names[i]) == EEXIST && raw_close(half) == 0);
		int other_kernel = lease_from(lease.l_start - LEASE - LANE);
		CHECK(asked_elsewhere(names[i]) == EEXIST && raw_close(other_kernel) == 0);
		other_kernel = lease_from(lease.l_start - LEASE + LANE);
		CHECK(asked_elsewhere(names[i]) == EEXIST && raw_close(other_kernel) == 0);
		int old = lease_from(lease.l_start - LEASE);
		CHECK(asked_elsewhere(names[i]) == 0);
		pid = holder(names[i], 0);
		CHECK(asked_elsewhere(names[i]) == EEXIST);
		ends(pid);
		CHECK(asked_elsewhere(names[i]) == 0 && raw_close(old) == 0);
	}
}

/* A heartbeat renews it: the bytes behind the old ones are locked, and those given back. */
static void case_renewed_lease(void)
{
	const char *lock = home(names[1]);
	long long region = region_of(lock);
	int open_before = descriptors();
	CHECK(mkdir(lock, 0777) == 0);
	struct flock taken = locked(region, REGION);
	/* One that comes too early leaves it. */
	CHECK(utimensat(AT_FDCWD, lock, 0, 0) == 0 && locked(region, REGION).l_start == taken.l_start);
	struct timespec pause = { 2, 100000000 };
	CHECK(nanosleep(&pause, 0) == 0 && utimensat(AT_FDCWD, lock, 0, 0) == 0);
	struct flock renewed = locked(region, REGION);
	CHECK(renewed.l_type == (active() ? F_WRLCK : F_UNLCK));
	CHECK(!active() || (renewed.l_start == taken.l_start + LEASE && renewed.l_len >= 2000));
	CHECK(asked_elsewhere(names[0]) == (active() ? EEXIST : 0));
	CHECK(descriptors() == open_before);
	CHECK(rmdir(lock) == 0 && asked_elsewhere(names[0]) == 0);
	CHECK(locked(region, REGION).l_type == F_UNLCK);
}

/* For real: a holder is stopped for as long as its lease runs, is passed, and goes on. Takes a minute. */
static void case_stopped_holder(void)
{
	int ready[2], go[2], status;
	char byte;
	CHECK(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	pid_t stopped = fork();
	if (stopped == 0) {
		struct stat seen;
		new_home();
		const char *lock = home(names[1]);
		CHECK(mkdir(lock, 0777) == 0 && write(ready[1], "", 1) == 1 && read(go[0], &byte, 1) == 1);
		/* It hears that its lock is lost, and takes nobody else's away. */
		CHECK(utimensat(AT_FDCWD, lock, 0, 0) == (active() ? -1 : 0) && (!active() || errno == ENOENT));
		CHECK(stat(lock, &seen) == (active() ? -1 : 0) && (!active() || errno == ENOENT));
		CHECK(rmdir(lock) == 0 || errno == ENOENT);
		CHECK(!active() || (mkdir(lock, 0777) == -1 && errno == EEXIST));
		_exit(0);
	}
	CHECK(stopped > 0 && read(ready[0], &byte, 1) == 1 && kill(stopped, SIGSTOP) == 0);
	CHECK(waitpid(stopped, &status, WUNTRACED) == stopped && WIFSTOPPED(status));
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (asked_elsewhere(names[1]) != 0)
		usleep(200000);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK(!active() || (now.tv_sec - start.tv_sec >= LEASE / 1000 - 5 && now.tv_sec - start.tv_sec < LEASE / 1000 + 20));
	pid_t next = holder(names[1], 0);
	CHECK(asked_elsewhere(names[1]) == (active() ? EEXIST : 0));
	CHECK(kill(stopped, SIGCONT) == 0 && write(go[1], "", 1) == 1);
	CHECK(waitpid(stopped, &status, 0) == stopped && status == 0);
	CHECK(asked_elsewhere(names[1]) == (active() ? EEXIST : 0));
	ends(next);
	CHECK(asked_elsewhere(names[1]) == 0);
}

static void a_child_ends(void)
{
	pid_t child = fork();
	if (child == 0)
		exit(0);
	CHECK(waitpid(child, 0, 0) == child);
	child = vfork();
	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, 0, 0) == child);
}

static pid_t *lives_on;

static void a_child_lives_on(void)
{
	pid_t child = fork();
	if (child == 0) {
		struct stat status;
		stat(SIBLING, &status);
		for (;;)
			pause();
	}
	*lives_on = child;
}

static void case_forking_holder(void)
{
	lives_on = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++) {
		pid_t pid = holder(names[i], a_child_ends);
		CHECK(asked_elsewhere(names[i]) == (active() ? EEXIST : 0));
		ends(pid);
		CHECK(asked_elsewhere(names[i]) == 0);
		pid = holder(names[i], a_child_lives_on);
		CHECK(asked_elsewhere(names[i]) == (active() ? EEXIST : 0));
		ends(pid);
		CHECK(kill(*lives_on, 0) == 0);
		CHECK(asked_elsewhere(names[i]) == 0);
		kill(*lives_on, SIGKILL);
	}
}

static int kept;

/* All but the pipe that says it is ready. */
static void closes_all(void)
{
	for (int fd = 3; fd < 256; fd++) {
		char target[64], link[64];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(link, target, sizeof target - 1);
		if (length > 0 && strncmp(target, "pipe:", 5) != 0)
			raw_close(fd), kept++;
	}
	/* Other files take the numbers. */
	for (int i = 0; i < 20; i++)
		CHECK(raw_open("/dev/null", O_RDONLY, 0) >= 0);
}

static void case_closing_holder(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = holder(names[i], closes_all);
		CHECK(asked_elsewhere(names[i]) == (active() ? EEXIST : 0));
		ends(pid);
		CHECK(asked_elsewhere(names[i]) == 0);
	}
}

/* exec ends the lock of the shared file; nobody waits for what the program has become. */
static void case_executing_holder(void)
{
	int ready[2];
	char byte;
	CHECK(pipe(ready) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		new_home();
		CHECK(mkdir(SIBLING, 0777) == 0);
		CHECK(dup2(ready[1], 1) == 1);
		execl("/bin/sh", "sh", "-c", "echo; exec sleep 60", (char *)0);
		_exit(126);
	}
	CHECK(pid > 0 && close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 && close(ready[0]) == 0);
	CHECK(asked_elsewhere(names[0]) == 0);
	ends(pid);
	CHECK(asked_elsewhere(names[0]) == 0);
}

/* What is nested in the refresh lock, and that it is given back once. */
static void case_nested(void)
{
	const char *in_dir = home(names[1]), *sibling = home(names[0]);
	CHECK(mkdir(in_dir, 0777) == 0 && mkdir(sibling, 0777) == 0);
	const char *write_lock = home(names[2]);
	CHECK(mkdir(write_lock, 0777) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(asked_elsewhere(names[i]) == (active() ? EEXIST : 0));
	CHECK(rmdir(write_lock) == 0 && asked_elsewhere(names[2]) == 0);
	CHECK(rmdir(sibling) == 0);
	CHECK(asked_elsewhere(names[1]) == (active() ? EEXIST : 0));
	CHECK(rmdir(in_dir) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(asked_elsewhere(names[i]) == 0);
}

#define OLDER(more) PAIR("two", "05", more)
#define NEWER PAIR("six", "20", "")
static const char *published;

static void before_moment(void)
{
	store(shared, OLD, strlen(OLD));
	store(temporary, published, strlen(published));
}

static void renames_published(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
	begin();
	CHECK(rename(temporary, credentials) == (active() ? 0 : -1));
}

static void stores_meanwhile(void) { store(shared, NEWER, strlen(NEWER)); }

/* Spaces behind it do no harm. */
static int is_undone(void)
{
	char found[1024] = "";
	int fd = raw_open(shared, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0 && read(fd, found, sizeof found - 1) >= 0 && close(fd) == 0);
	return strncmp(found, NEWER, strlen(NEWER)) != 0 || strspn(found + strlen(NEWER), " ") != strlen(found + strlen(NEWER));
}

/* What somebody else stores in the middle of a publish is overwritten at one moment: that of the write itself, or, with
 * a content that is shorter, cut off at the moment after it. */
static void case_moments(void)
{
	const char *const contents[] = { OLDER(""), OLDER("                    "), SHORTER };
	for (int i = 0; i < 3; i++) {
		published = contents[i];
		struct moments found = moments(before_moment, renames_published, stores_meanwhile, is_undone);
		CHECK(found.undone == (active() ? 1 + (i == 2) : 0) && found.all > (active() ? 10 : 1));
	}
}

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(publish), NAMED(same), NAMED(other_name), NAMED(errors), NAMED(slash), NAMED(read_only), NAMED(full), NAMED(file_size_limit),
	NAMED(killed), NAMED(exclude), NAMED(killed_holder), NAMED(forking_holder), NAMED(closing_holder),
	NAMED(executing_holder), NAMED(nested), NAMED(no_descriptors), NAMED(robbed_writer), NAMED(lease), NAMED(renewed_lease),
	NAMED(moments), NAMED(stopped_holder),
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			puts(cases[i].name);
		return 0;
	}
	snprintf(shared, sizeof shared, "%s/shared/credentials", getenv("TEST_ROOT"));
	strcpy(credentials, home("/.claude/.credentials.json"));
	strcpy(temporary, home("/.claude/.credentials.json.tmp.1"));
	if (strcmp(argv[1], "ask") == 0)
		return ask(argv[2]);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) != 0) {
		puts("no right to mount");
		return 77;
	}
	/* A file system whose locks last with a mapping, whatever the tests lie on. */
	char *slash = strrchr(shared, '/');
	*slash = '\0';
	if (raw_mkdir(shared, 0700) == 0)
		CHECK(mount("shared", shared, "tmpfs", 0, "mode=0700") == 0);
	*slash = '/';
	if (strcmp(argv[1], "one") == 0) {
		/* The file lies where strace's caller can see it. */
		snprintf(shared, sizeof shared, "%s", getenv("SHARED"));
		return one(strcmp(argv[2], "shorter") == 0 ? SHORTER : strcmp(argv[2], "equal") == 0 ? EQUAL : LONGER);
	}
	store(shared, OLD, strlen(OLD));
	alarm(strcmp(argv[1], "stopped_holder") == 0 ? 150 : 40); /* the watchdog */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (strcmp(cases[i].name, argv[1]) == 0) {
			new_home();
			cases[i].run();
			return 0;
		}
	return 2;
}
