/* rename(2) onto the credentials file of a config directory that is no mount of its own, in every way that it can
 * fail or be something else than a client's publish: each case with its result, errno and what is in the directory
 * afterwards. It must be what it is without the library. */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "program.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static char directory[512], credentials[600], temporary[600];

static void store(const char *path, const char *content, size_t length, mode_t mode)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, length) == (ssize_t)length && fchmod(fd, mode) == 0 && close(fd) == 0);
}

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("old", "1")
#define NEW PAIR("new", "2")

static int in_order(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

/* What is in the directory, by raw calls as far as there are contents. */
static void list(void)
{
	char *names[32];
	int count = 0;
	DIR *stream = opendir(directory);
	CHECK(stream);
	for (struct dirent *entry; (entry = readdir(stream)) && count < 32;)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, ".lockspan"))
			names[count++] = strdup(entry->d_name);
	closedir(stream);
	qsort(names, count, sizeof *names, in_order);
	for (int i = 0; i < count; i++) {
		struct stat status;
		char content[128] = "", path[1024];
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		CHECK(raw_syscall(SYS_newfstatat, AT_FDCWD, (long)path, (long)&status, AT_SYMLINK_NOFOLLOW, 0, 0) == 0);
		if (S_ISREG(status.st_mode)) {
			int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
			if (fd >= 0) {
				ssize_t length = read(fd, content, sizeof content - 1);
				content[length > 0 ? length : 0] = '\0';
				close(fd);
			}
		}
		printf("    %s %o links %ld size %ld %s\n", names[i], status.st_mode, (long)status.st_nlink,
		       S_ISREG(status.st_mode) ? (long)status.st_size : 0L, content);
		free(names[i]);
	}
}

static void fresh(void)
{
	char command[700];
	snprintf(command, sizeof command, "chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'", directory, directory);
	CHECK(system(command) == 0);
	CHECK(raw_syscall(SYS_mkdirat, AT_FDCWD, (long)directory, 0700, 0, 0, 0) == 0);
	store(credentials, OLD, strlen(OLD), 0600);
	store(temporary, NEW, strlen(NEW), 0600);
}

static void say(const char *what, int result)
{
	int error = errno;
	printf("%s: %d errno %d\n", what, result, error);
	list();
	fflush(stdout);
}

static const char *joined(const char *name)
{
	static char path[1024];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

/* Each in a process of its own, which may crash, and which knows nothing of the pairs of the others. */
#define CASE(what, prepare, call)                                                          \
	do {                                                                               \
		fresh();                                                                   \
		prepare;                                                                   \
		fflush(stdout);                                                            \
		pid_t child = fork();                                                      \
		if (child == 0) {                                                          \
			errno = 4711;                                                      \
			int result = (call);                                               \
			say(what, result);                                                 \
			_exit(0);                                                          \
		}                                                                          \
		int ended;                                                                 \
		CHECK(child > 0 && waitpid(child, &ended, 0) == child);                    \
		if (WIFSIGNALED(ended))                                                    \
			printf("%s: ended by signal %d\n", what, WTERMSIG(ended));         \
	} while (0)

static void as_root_or_not(void)
{
	char elsewhere[700], link_name[1100], slashed[700], other_filesystem[100];
	snprintf(elsewhere, sizeof elsewhere, "%s-elsewhere", directory);
	snprintf(slashed, sizeof slashed, "%s/", credentials);
	snprintf(other_filesystem, sizeof other_filesystem, "/dev/shm/lockspan-test-%d", (int)getpid());
	snprintf(link_name, sizeof link_name, "%s", joined("link"));
	static char big[2 << 20], long_name[600];
	memset(big, ' ', sizeof big);
	memset(long_name, 'x', sizeof long_name - 1);
	char *nothing = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(nothing != MAP_FAILED);

	CASE("plain", , rename(temporary, credentials));
	CASE("a mode of its own", CHECK(chmod(temporary, 0644) == 0), rename(temporary, credentials));
	CASE("no JSON", store(temporary, "\0\1\2", 3, 0600), rename(temporary, credentials));
	CASE("empty", store(temporary, "", 0, 0600), rename(temporary, credentials));
	CASE("a big source", store(temporary, big, sizeof big, 0600), rename(temporary, credentials));
	CASE("a big target", store(credentials, big, sizeof big, 0600), rename(temporary, credentials));
	CASE("no such source", CHECK(unlink(temporary) == 0), rename(temporary, credentials));
	CASE("an empty source path", , rename("", credentials));
	CASE("a source path that is too long", , rename(long_name, credentials));
	CASE("a directory", CHECK(mkdir(joined("d"), 0700) == 0), rename(joined("d"), credentials));
	CASE("a file with a slash", , rename(strcat(strcpy(link_name, temporary), "/"), credentials));
	CASE("the target with a slash", , rename(temporary, slashed));
	snprintf(link_name, sizeof link_name, "%s", joined("link"));
	CASE("a link", CHECK(symlink(temporary, link_name) == 0), rename(link_name, credentials));
	CASE("a dangling link", CHECK(symlink("nowhere", link_name) == 0), rename(link_name, credentials));
	CASE("a FIFO", CHECK(mkfifo(link_name, 0600) == 0), rename(link_name, credentials));
	CASE("itself", , rename(credentials, credentials));
	CASE("a hard link of itself", CHECK(link(credentials, link_name) == 0), rename(link_name, credentials));
	CASE("the target is a link", CHECK(rename(credentials, joined("real")) == 0 && symlink("real", credentials) == 0),
	     rename(temporary, credentials));
	CASE("the target is a dangling link", CHECK(unlink(credentials) == 0 && symlink("real", credentials) == 0),
	     rename(temporary, credentials));
	CASE("the target is a directory", CHECK(unlink(credentials) == 0 && mkdir(credentials, 0700) == 0),
	     rename(temporary, credentials));
	CASE("no target", CHECK(unlink(credentials) == 0), rename(temporary, credentials));
	CASE("a target that is read-only", CHECK(chmod(credentials, 0400) == 0), rename(temporary, credentials));
	CASE("a target that nobody may read", CHECK(chmod(credentials, 0) == 0), rename(temporary, credentials));
	CASE("a source that nobody may read", CHECK(chmod(temporary, 0) == 0), rename(temporary, credentials));
	CASE("bad descriptor of the source", , renameat(-7, "tmp", AT_FDCWD, credentials));
	CASE("bad descriptor of the target", , renameat(AT_FDCWD, temporary, -7, ".credentials.json"));
	CASE("not to replace", , renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, RENAME_NOREPLACE));
	CASE("to exchange", , renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, RENAME_EXCHANGE));
	CASE("bad flags", , renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 1 << 20));
	CASE("flags 0", , renameat2(AT_FDCWD, temporary, AT_FDCWD, credentials, 0));
	CASE("relative", CHECK(chdir(directory) == 0), rename("tmp", ".credentials.json"));
	CHECK(chdir("/") == 0);
	CASE("by descriptor", , ({
		     int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
		     int result = renameat(fd, "tmp", fd, ".credentials.json"), error = errno;
		     close(fd);
		     errno = error;
		     result;
	     }));
	rmdir(elsewhere);
	CHECK(mkdir(elsewhere, 0700) == 0);
	strcat(elsewhere, "/tmp");
	CASE("from another directory", CHECK(rename(temporary, elsewhere) == 0), rename(elsewhere, credentials));
	*strrchr(elsewhere, '/') = '\0';
	CHECK(rmdir(elsewhere) == 0);
	store(other_filesystem, NEW, strlen(NEW), 0600);
	CASE("from another filesystem", , rename(other_filesystem, credentials));
	unlink(other_filesystem);
	CASE("the directory cannot be written", CHECK(chmod(directory, 0500) == 0), rename(temporary, credentials));
	CASE("NULL", , rename(NULL, credentials));
	CASE("the first page", , rename((char *)1, credentials));
	CASE("memory that cannot be read", , rename(nothing, credentials));
	CASE("an address of the kernel", , rename((char *)-4096L, credentials));
	fresh();
}

int main(void)
{
	/* Where everybody may go, and with the same names each time. */
	char parent[256];
	snprintf(parent, sizeof parent, "/tmp/lockspan-errors-%d", (int)getpid());
	CHECK(mkdir(parent, 0755) == 0 && chmod(parent, 01777) == 0);
	for (int other = 0; other < 2; other++) {
		snprintf(directory, sizeof directory, "%.400s/%d", parent, other);
		snprintf(credentials, sizeof credentials, "%s/.credentials.json", directory);
		snprintf(temporary, sizeof temporary, "%s/tmp", directory);
		CHECK(setenv("CLAUDE_CONFIG_DIR", directory, 1) == 0);
		pid_t child = fork();
		if (child == 0) {
			if (other && getuid() == 0)
				CHECK(setgid(65534) == 0 && setuid(65534) == 0);
			printf("%s\n", other ? "with few rights" : "as it is");
			as_root_or_not();
			exit(0);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	}
	if (getuid() == 0) {
		/* A directory of root's with the sticky bit, as /tmp is, and a credentials file of root's. */
		snprintf(directory, sizeof directory, "%s/sticky", parent);
		snprintf(credentials, sizeof credentials, "%s/.credentials.json", directory);
		snprintf(temporary, sizeof temporary, "%s/tmp", directory);
		CHECK(setenv("CLAUDE_CONFIG_DIR", directory, 1) == 0);
		fresh();
		CHECK(chmod(directory, 01777) == 0 && chmod(credentials, 0644) == 0);
		CHECK(chown(temporary, 65534, 65534) == 0);
		pid_t child = fork();
		if (child == 0) {
			CHECK(setgid(65534) == 0 && setuid(65534) == 0);
			errno = 4711;
			int result = rename(temporary, credentials);
			say("a sticky directory", result);
			exit(0);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	}
	char command[300];
	snprintf(command, sizeof command, "chmod -R u+rwx %.100s; rm -rf %.100s", parent, parent);
	return system(command) == 0 ? 0 : 1;
}
