/* Raw system calls in circumstances: raw_situations SITUATION original|patched|any [HOME]. How the sites have to be
 * is for the caller to say; that they are is checked first, so that nothing passes for want of a patch. */
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "raw_program.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static char lock[4096], credentials[4096];
static const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 5000000 } };

/* A whole cycle of a lock, or of another directory, by raw calls alone. 0, or the line of what went wrong: this is
 * also called where nothing else may be. */
static int cycle_of(const char *path)
{
#define STEP(condition)          \
	if (!(condition))        \
		return __LINE__
	struct statx status;
	STEP(raw_site_mkdir(path, 0700) == 0);
	STEP(raw_site_mkdirat(AT_FDCWD, path, 0700) == -EEXIST);
	STEP(raw_site_utimensat(AT_FDCWD, path, times, 0) == 0);
	STEP(raw_site_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &status) == 0);
	STEP(status.stx_mtime.tv_sec == times[1].tv_sec && status.stx_mtime.tv_nsec == times[1].tv_nsec);
	STEP(raw_site_unlinkat(AT_FDCWD, path, AT_REMOVEDIR) == 0);
	STEP(raw_site_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &status) == -ENOENT);
	STEP(raw_site_utimensat(AT_FDCWD, path, times, 0) == -ENOENT);
	STEP(raw_site_mkdirat(AT_FDCWD, path, 0700) == 0);
	STEP(raw_site_rmdir(path) == 0);
#undef STEP
	return 0;
}

/* A pair of tokens put in the place of the credentials, which are read and compared on the way. 0, or the line of what
 * went wrong, as above. */
static int publish_by(const char *temporary)
{
	static const char pair[] = "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":2}}";
	int fd = raw_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || raw_write(fd, pair, sizeof pair - 1) != sizeof pair - 1 || raw_close(fd) != 0)
		return __LINE__;
	if (raw_site_renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 0) != 0)
		return __LINE__;
	if (raw_site_rename(temporary, credentials) != -ENOENT)
		return __LINE__;
	return 0;
}

static void nothing_left(void)
{
	CHECK(!lies_there(lock) && !lies_there(IN_DIR) && !guard_is_locked());
}

/* That the lock's directory is what it should be: redirected by a patched program under the library, plain
 * otherwise. */
static void simple(void)
{
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(lies_there(lock));
	CHECK(lies_there(IN_DIR) == redirected());
	CHECK(raw_site_rmdir(lock) == 0);
	nothing_left();
	CHECK(cycle_of(lock) == 0);
	CHECK(cycle_of("plain") == 0);
	CHECK(publish_by("simple.json") == 0);
	nothing_left();
}

#define THREADS 8
#define SMALL_STACK (64 * 1024)
#define TURNS 40
static atomic_int holders;

static void *thread(void *argument)
{
	long number = (long)argument;
	char mine[32], temporary[32];
	snprintf(mine, sizeof mine, "thread%ld.lock", number);
	snprintf(temporary, sizeof temporary, "thread%ld.json", number);
	for (int taken = 0; taken < TURNS;) {
		CHECK(cycle_of(mine) == 0);
		CHECK(publish_by(temporary) == 0);
		long made = number % 2 != 0 ? raw_site_mkdir(lock, 0700) : raw_site_mkdirat(AT_FDCWD, lock, 0700);
		CHECK(made == 0 || made == -EEXIST);
		if (made != 0) {
			sched_yield();
			continue;
		}
		CHECK(atomic_fetch_add(&holders, 1) == 0);
		struct statx status;
		CHECK(raw_site_utimensat(AT_FDCWD, lock, times, 0) == 0);
		CHECK(raw_site_statx(AT_FDCWD, lock, 0, STATX_BASIC_STATS, &status) == 0);
		CHECK(status.stx_mtime.tv_nsec == times[1].tv_nsec);
		atomic_fetch_sub(&holders, 1);
		CHECK(raw_site_rmdir(lock) == 0);
		taken++;
	}
	return 0;
}

static void threads(size_t stack_size)
{
	pthread_t started[THREADS];
	pthread_attr_t attributes;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, stack_size) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&started[i], &attributes, thread, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(started[i], 0) == 0);
	nothing_left();
}

/* As situations/minimal_stack has it: musl would give less than any function of libc can be called with. */
static size_t smallest_stack(void)
{
	long least = sysconf(_SC_THREAD_STACK_MIN);
	return least < 16384 ? 16384 : (size_t)least;
}

/* A child of vfork shares the parent's memory: what it gets, it leaves in these. */
static volatile long child_results[8];

static void vforked(const int executes)
{
	char self[4096], *const arguments[] = { self, (char *)"simple", (char *)state_of_sites(), 0 };
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(length > 0);
	self[length] = '\0';
	pid_t child = vfork();
	if (child == 0) {
		child_results[0] = raw_site_mkdir("vforked", 0700);
		child_results[1] = raw_site_rmdir("vforked");
		child_results[2] = raw_site_mkdir("missing/vforked", 0700);
		child_results[3] = raw_site_mkdir(lock, 0700);
		child_results[4] = raw_site_mkdir(lock, 0700);
		child_results[5] = raw_site_rmdir(lock);
		child_results[6] = publish_by("vforked.json");
		if (!executes)
			_exit(0);
		execv(self, arguments);
		_exit(126);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0);
	CHECK(child_results[0] == 0 && child_results[1] == 0 && child_results[2] == -ENOENT);
	CHECK(child_results[3] == 0 && child_results[4] == -EEXIST && child_results[5] == 0);
	CHECK(child_results[6] == 0);
	/* The parent is as it was. */
	simple();
}

static void forked(void)
{
	pid_t child = fork();
	if (child == 0) {
		simple();
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	simple();
}

static void signals_blocked(void)
{
	sigset_t all, before, after;
	sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, 0) == 0);
	/* Neither libc nor the kernel writes all of a set. */
	memset(&before, 0, sizeof before);
	memset(&after, 0, sizeof after);
	CHECK(sigprocmask(SIG_BLOCK, 0, &before) == 0);
	simple();
	CHECK(cycle_of("plain") == 0);
	CHECK(sigprocmask(SIG_BLOCK, 0, &after) == 0);
	CHECK(memcmp(&before, &after, sizeof before) == 0);
}

/* A storm of signals whose handler makes raw calls, while others are under way. */
static atomic_int storms, wrong;

static void handler(int number)
{
	(void)number;
	int error = errno;
	struct statx status;
	errno = 4242;
	long seen = raw_site_statx(AT_FDCWD, "file.lock", 0, STATX_BASIC_STATS, &status);
	long none = raw_site_mkdir("missing/other.lock", 0700);
	long held = raw_site_statx(AT_FDCWD, lock, 0, STATX_BASIC_STATS, &status);
	if (seen != 0 || none != -ENOENT || (held != 0 && held != -ENOENT) || errno != 4242)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&storms, 1);
	errno = error;
}

static void storm(void)
{
	/* Long enough that many fall into a stub. */
	enum { ENOUGH = 3000 };
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	CHECK(sigaction(SIGALRM, &action, 0) == 0);
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	CHECK(setitimer(ITIMER_REAL, &often, 0) == 0);
	long turns = 0;
	double product = 1.0;
	while (atomic_load(&storms) < ENOUGH) {
		/* Something in the vector registers across the calls. */
		double factor = 1.0 + 1.0 / (double)(turns % 7 + 2);
		product *= factor;
		CHECK(cycle_of("plain") == 0);
		if (turns % 8 == 0) {
			CHECK(cycle_of(lock) == 0);
			CHECK(publish_by("storm.json") == 0);
		}
		product /= factor;
		turns++;
	}
	CHECK(setitimer(ITIMER_REAL, &never, 0) == 0);
	CHECK(product > 0.99 && product < 1.01);
	CHECK(atomic_load(&wrong) == 0);
	nothing_left();
}

/* Executes itself with an empty environment: nothing of the library is inherited. */
static void executed(void)
{
	char self[4096], where[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(length > 0);
	self[length] = '\0';
	strcpy(where, getenv("HOME"));
	char *const arguments[] = { self, (char *)"bare", (char *)"original", where, 0 };
	char *const environment[] = { 0 };
	/* First a call, so that there is something that could be inherited. */
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(lies_there(IN_DIR) == redirected());
	CHECK(raw_site_rmdir(lock) == 0);
	execve(self, arguments, environment);
	CHECK(!"executed");
}

/* Executes itself where no memory may become code that was not code before (systemd's MemoryDenyWriteExecute). */
static void no_new_code(void)
{
	char self[4096];
	char *const arguments[] = { self, (char *)"plain", (char *)"original", 0 };
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(length > 0);
	self[length] = '\0';
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
		CHECK(errno == EINVAL);
		puts("this kernel cannot refuse new code");
		exit(77);
	}
	execv(self, arguments);
	CHECK(!"executed");
}

static int is_library(struct dl_phdr_info *info, size_t size, void *found)
{
	(void)size;
	*(int *)found |= info->dlpi_name != 0 && strstr(info->dlpi_name, "liblockspan") != 0;
	return 0;
}

static int has_library(void)
{
	int found = 0;
	dl_iterate_phdr(is_library, &found);
	return found;
}

/* Where the library must not be: plain calls. */
static void bare(void)
{
	CHECK(!has_library());
	char in_dir[4096];
	strcpy(in_dir, IN_DIR);
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(lies_there(lock) && !lies_there(in_dir));
	CHECK(raw_site_rmdir(lock) == 0);
	CHECK(cycle_of(lock) == 0);
	CHECK(cycle_of("plain") == 0);
}

/* With the rights of its file's owner. */
static void privileged(void)
{
	if (getauxval(AT_SECURE) == 0) {
		puts("programs get no rights of their file's owner on this filesystem");
		_exit(77);
	}
	bare();
}

/* The lock's calls are plain, whatever the library does elsewhere: the sites are original. */
static void plain(void)
{
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(lies_there(lock) && !lies_there(IN_DIR) && !lies_there(home("/.claude/.lockspan")));
	CHECK(raw_site_mkdir(lock, 0700) == -EEXIST);
	CHECK(raw_site_rmdir(lock) == 0);
	CHECK(raw_site_mkdir(IN_DIR, 0700) == 0);
	CHECK(!lies_there(lock) && !lies_there(home("/.claude/.lockspan")));
	CHECK(raw_site_rmdir(IN_DIR) == 0);
	/* Through libc, too: nothing of a lock is redirected where a part of it cannot be. */
	CHECK(mkdir(lock, 0700) == 0);
	CHECK(lies_there(lock) && !lies_there(IN_DIR) && !lies_there(home("/.claude/.lockspan")));
	CHECK(rmdir(lock) == 0);
	CHECK(cycle_of(lock) == 0);
	CHECK(cycle_of("plain") == 0);
	nothing_left();
}

/* The memory map's executable parts, and whether any is writable, too: for a comparison by the caller. The program's
 * own are shown by where they are in the file. */
static void show_map(void)
{
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(length > 0);
	self[length] = '\0';
	/* Without memory of its own: there may be none. */
	static char map[1 << 17];
	size_t filled = 0;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	while ((length = read(fd, map + filled, sizeof map - 1 - filled)) > 0)
		filled += length;
	close(fd);
	CHECK(length == 0 && filled != 0);
	/* Neighbours with the same rights are one: what was mapped anew need not be joined by the kernel. */
	unsigned long own_offset = 0, own_length = 0, own_end = 0;
	char own_rights[5] = "";
	int own = 0;
	for (char *line = strtok(map, "\n"); line != 0; line = strtok(0, "\n")) {
		unsigned long start, end, offset;
		char rights[5], device[16];
		long inode;
		int name = 0;
		CHECK(sscanf(line, "%lx-%lx %4s %lx %15s %ld %n", &start, &end, rights, &offset, device, &inode, &name) >= 6);
		CHECK(strchr(rights, 'w') == 0 || strchr(rights, 'x') == 0);
		int is_own = strcmp(line + name, self) == 0;
		if (is_own && start == own_end && offset == own_offset + own_length && strcmp(rights, own_rights) == 0) {
			own_length += end - start;
			own_end = end;
			continue;
		}
		if (own_length != 0)
			printf("program %s %lx %lx\n", own_rights, own_offset, own_length);
		own_length = 0;
		if (is_own) {
			strcpy(own_rights, rights);
			own_offset = offset, own_length = end - start, own_end = end;
			own++;
		} else if (strchr(rights, 'x') != 0 && inode == 0) {
			printf("anonymous %s %s\n", rights, line[name] == '[' ? line + name : "nameless");
		}
	}
	/* The stack is the last at least, and not the program's. */
	CHECK(own_length == 0);
	CHECK(own != 0);
}

/* The lock is made by a raw call that nobody reaches, and removed through libc. */
static void removed_by_libc(void)
{
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(!lies_there(IN_DIR));
	errno = 4242;
	CHECK(rmdir(lock) == 0 && errno == 4242);
	CHECK(!lies_there(lock));
	/* Twice: it is to be said once. */
	CHECK(raw_site_mkdir(lock, 0700) == 0);
	CHECK(rmdir(lock) == 0);
	CHECK(rmdir(lock) == -1 && errno == ENOENT);
	nothing_left();
}

/* What a program that is not blind does, and what a client does that finds the lock taken or gone. */
static void made_by_libc(void)
{
	struct stat status;
	CHECK(mkdir(lock, 0700) == 0);
	CHECK(rmdir(lock) == 0);
	/* A second time, as an exit handler does. */
	CHECK(rmdir(lock) == -1 && errno == ENOENT);
	CHECK(syscall(SYS_mkdirat, AT_FDCWD, lock, 0700) == 0);
	CHECK(stat(lock, &status) == 0);
	CHECK(mkdir(lock, 0700) == -1 && errno == EEXIST);
	CHECK(unlinkat(AT_FDCWD, lock, AT_REMOVEDIR) == 0);
	nothing_left();
}

/* Removes a lock that is not there: no proof of anything. */
static void removes_nothing(void)
{
	CHECK(rmdir(lock) == -1 && errno == ENOENT);
	CHECK(rmdir(IN_DIR) == -1 && errno == ENOENT);
}

int main(int count, char **arguments)
{
	CHECK(count == 3 || count == 4);
	const char *situation = arguments[1];
	if (count == 4)
		CHECK(setenv("HOME", arguments[3], 1) == 0 && setenv("TEST_MODE", "native", 1) == 0);
	strcpy(lock, SIBLING);
	strcpy(credentials, home("/.claude/.credentials.json"));
	if (strcmp(situation, "storm") != 0)
		alarm(50); /* the watchdog; the storm has the runner's */
	/* Where undoing fails, too, some may stay, and their calls must be plain. */
	int any = strcmp(arguments[2], "any") == 0;
	if (!any)
		expect_sites(arguments[2]);
	if (strcmp(situation, "simple") == 0)
		simple();
	else if (strcmp(situation, "threads") == 0)
		threads(SMALL_STACK);
	else if (strcmp(situation, "smallest-stacks") == 0)
		threads(smallest_stack());
	else if (strcmp(situation, "vfork") == 0)
		vforked(0);
	else if (strcmp(situation, "vfork-exec") == 0)
		vforked(1);
	else if (strcmp(situation, "fork") == 0)
		forked();
	else if (strcmp(situation, "signals-blocked") == 0)
		signals_blocked();
	else if (strcmp(situation, "storm") == 0)
		storm();
	else if (strcmp(situation, "emptied-environment") == 0)
		executed();
	else if (strcmp(situation, "no-new-code") == 0)
		no_new_code();
	else if (strcmp(situation, "bare") == 0)
		bare();
	else if (strcmp(situation, "privileged") == 0)
		privileged();
	else if (strcmp(situation, "plain") == 0)
		plain();
	else if (strcmp(situation, "map") == 0)
		plain(), show_map();
	else if (strcmp(situation, "patched-map") == 0)
		simple(), show_map();
	else if (strcmp(situation, "removed-by-libc") == 0)
		removed_by_libc();
	else if (strcmp(situation, "made-by-libc") == 0)
		made_by_libc();
	else if (strcmp(situation, "removes-nothing") == 0)
		removes_nothing();
	else
		CHECK(!"a situation");
	if (!any)
		expect_sites(arguments[2]);
	return 0;
}
