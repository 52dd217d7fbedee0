/* build: -Wno-unused-result */
/* Truncating the credentials file and writing it anew, in the ways that programs do it, each in a process of its
 * own: what the calls answer, and what the file holds, who owns it and which file it is afterwards. It must be what
 * it is without the library. */
#include <sys/stat.h>
#include <signal.h>
#include <sys/xattr.h>

#include "program.h"

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("old", "1")
#define NEW PAIR("new", "2")
#define FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC)

static char credentials[4096], other[4096];

static void fresh(void)
{
	raw_unlink(credentials);
	int fd = raw_open(credentials, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, OLD, strlen(OLD)) == (ssize_t)strlen(OLD) && fchmod(fd, 0640) == 0);
	raw_close(fd);
}

static void show(const char *what)
{
	char content[256];
	int fd = raw_open(credentials, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) {
		printf("  %s: not there\n", what);
		return;
	}
	ssize_t length = read(fd, content, sizeof content - 1);
	content[length > 0 ? length : 0] = '\0';
	raw_close(fd);
	printf("  %s: %s\n", what, content);
	fflush(stdout);
}

static int written(int flags)
{
	int fd = open(credentials, flags, 0600);
	if (fd >= 0)
		CHECK(write(fd, NEW, strlen(NEW)) == (ssize_t)strlen(NEW));
	return fd;
}

static void case_close(void) { CHECK(close(written(FLAGS)) == 0); }
static void case_inherited(void) { CHECK(close(written(FLAGS & ~O_CLOEXEC)) == 0); }

static void case_fclose(void)
{
	FILE *file = fdopen(open(credentials, FLAGS, 0600), "w");
	CHECK(file && fputs(NEW, file) >= 0 && fclose(file) == 0);
}

static void case_fopen(void)
{
	FILE *file = fopen(credentials, "we");
	CHECK(file && fputs(NEW, file) >= 0 && fclose(file) == 0);
}

static void case_exclusive(void)
{
	int fd = open(credentials, FLAGS | O_EXCL, 0600);
	printf("  %d errno %d\n", fd >= 0, fd >= 0 ? 0 : errno);
	if (fd >= 0)
		close(fd);
}

static void case_exit(void) { written(FLAGS); exit(0); }
static void case_quick_exit(void) { written(FLAGS); _exit(0); }
static void case_exec(void) { written(FLAGS); execl("/bin/true", "true", (char *)0); }
static void case_synchronised_and_killed(void) { fsync(written(FLAGS)); raise(SIGKILL); }

static void case_seen_before_close(void)
{
	int fd = written(FLAGS);
	show("open");
	struct stat status;
	CHECK(stat(credentials, &status) == 0);
	printf("  size %ld\n", (long)status.st_size);
	CHECK(close(fd) == 0);
}

static void case_child_closes(void)
{
	int fd = open(credentials, FLAGS, 0600);
	if (fork() == 0) {
		CHECK(write(fd, NEW, strlen(NEW)) == (ssize_t)strlen(NEW) && close(fd) == 0);
		show("child has closed it");
		_exit(0);
	}
	wait(0);
	_exit(0);
}

static void case_dup(void)
{
	int fd = written(FLAGS), copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	CHECK(close(fd) == 0 && close(copy) == 0);
}

static void case_by_number(void) { CHECK(syscall(SYS_close, written(FLAGS)) == 0); }
static void case_range_by_number(void) { int fd = written(FLAGS); CHECK(syscall(SYS_close_range, fd, fd, 0) == 0); }
static void case_closefrom(void) { int fd = written(FLAGS); closefrom(fd); }

static void case_same_file(void)
{
	struct stat before, opened, after;
	CHECK(stat(credentials, &before) == 0);
	int fd = written(FLAGS);
	CHECK(fstat(fd, &opened) == 0 && close(fd) == 0 && stat(credentials, &after) == 0);
	printf("  the same while open %d, afterwards %d, links %ld, mode %o\n", opened.st_ino == before.st_ino,
	       after.st_ino == before.st_ino, (long)opened.st_nlink, after.st_mode);
}

static void case_attributes(void)
{
	char value[16] = "";
	if (setxattr(credentials, "user.test", "kept", 4, 0) != 0)
		return;
	CHECK(close(written(FLAGS)) == 0);
	printf("  attribute %zd\n", getxattr(credentials, "user.test", value, sizeof value));
}

static void case_flags(void)
{
	int fd = open(credentials, FLAGS | O_APPEND, 0600);
	printf("  %o\n", (unsigned)fcntl(fd, F_GETFL));
	char byte;
	CHECK(read(fd, &byte, 1) == -1);
	printf("  reading: %d\n", errno);
	CHECK(close(fd) == 0);
}

static void case_directory_flag(void)
{
	int fd = open(credentials, FLAGS | O_DIRECTORY, 0600);
	printf("  %d errno %d\n", fd >= 0, fd >= 0 ? 0 : errno);
	if (fd >= 0)
		close(fd);
}

static void case_other_directory_meanwhile(void)
{
	int fd = written(FLAGS);
	CHECK(setenv("CLAUDE_CONFIG_DIR", other, 1) == 0 && close(fd) == 0);
	char path[5000];
	snprintf(path, sizeof path, "%s/.credentials.json", other);
	printf("  the other one: %ld bytes\n", ({ struct stat status; stat(path, &status); (long)status.st_size; }));
}

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(close), NAMED(inherited), NAMED(fclose), NAMED(fopen), NAMED(exclusive), NAMED(exit), NAMED(quick_exit),
	NAMED(exec), NAMED(synchronised_and_killed), NAMED(seen_before_close), NAMED(child_closes), NAMED(dup),
	NAMED(by_number), NAMED(range_by_number), NAMED(closefrom), NAMED(same_file), NAMED(attributes), NAMED(flags),
	NAMED(directory_flag), NAMED(other_directory_meanwhile),
};

int main(int argc, char **argv)
{
	strcpy(credentials, home("/.claude/.credentials.json"));
	strcpy(other, home("/other"));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (argc < 2) {
			puts(cases[i].name);
			continue;
		}
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		fresh();
		raw_mkdir(other, 0700);
		char path[5000];
		snprintf(path, sizeof path, "%s/.credentials.json", other);
		int fd = raw_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK(write(fd, "{}", 2) == 2);
		raw_close(fd);
		pid_t child = fork();
		if (child == 0) {
			cases[i].run();
			fflush(stdout);
			_exit(0);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		printf("  ended %x\n", status);
		show("afterwards");
		return 0;
	}
	return argc < 2 ? 0 : 2;
}
