/* No token stays in a client's memory by the library's doing: token_memory TOKEN [mount]. The client that is looked at
 * never has one in memory itself: files with it are made by another process, and the kernel copies them (sendfile). So
 * whatever is found in any of its mappings, the remains of stacks included, is the library's. With "mount" the
 * credentials file is a mount of its own, which is written in place. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/sendfile.h>

#include "program.h"

#define CREDENTIALS home("/.claude/.credentials.json")
#define NEXT home("/.claude/next")
#define RENAMED home("/.claude/renamed")

static void stop(void) { CHECK(raise(SIGSTOP) == 0); }

/* The client; stops where it is to be looked at. */
static int client(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0);
	/* Opened, so that the library reads it; not read. */
	int fd = open(CREDENTIALS, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && close(fd) == 0);
	stop();
	int next = open(NEXT, O_RDONLY | O_CLOEXEC);
	fd = open(CREDENTIALS, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && sendfile(fd, next, 0, 4096) > 0);
	stop();
	CHECK(close(fd) == 0 && close(next) == 0);
	stop();
	CHECK(rename(RENAMED, CREDENTIALS) == 0 || errno == EBUSY);
	stop();
	CHECK(rmdir(SIBLING) == 0);
	stop();
	return 0;
}

static void store(const char *path, const char *token, const char *kind)
{
	char text[512];
	int length = snprintf(text, sizeof text, "{\"claudeAiOauth\":{\"accessToken\":\"%s-a%s\",\"refreshToken\":\"%s-r%s\",\"expiresAt\":1}}",
			      token, kind, token, kind);
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && raw_write(fd, text, (unsigned long)length) == length);
	raw_close(fd);
}

/* How many of a process's mappings have the token; each is named. */
static int found_in(pid_t pid, const char *token, int said)
{
	static char page[1 << 16];
	char path[64], line[512];
	int found = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int memory = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(maps && memory >= 0);
	while (fgets(line, sizeof line, maps)) {
		unsigned long start, end;
		CHECK(sscanf(line, "%lx-%lx", &start, &end) == 2);
		int here = 0;
		/* One page more than is gone on by, for what lies across its end. */
		for (unsigned long at = start; at < end; at += sizeof page - 4096) {
			size_t length = end - at < sizeof page ? end - at : sizeof page;
			ssize_t got = pread(memory, page, length, (off_t)at);
			here |= got > 0 && memmem(page, (size_t)got, token, strlen(token));
		}
		found += here;
		if (here && said)
			fprintf(stderr, "found in %s", line);
	}
	CHECK(fclose(maps) == 0 && close(memory) == 0);
	return found;
}

static const struct { const char *after; int lent; } looks[] = {
	{ "the credentials were opened to be read", 0 },
	/* That it would be found: what a client writes is in memory that the library has mapped. */
	{ "they were written, and not yet closed", 1 },
	{ "they were put in place", 0 },
	{ "others were renamed onto them", 0 },
	{ "the lock was given back", 0 },
};

int main(int argc, char **argv)
{
	if (argc == 1)
		return client();
	alarm(60); /* the watchdog */
	const char *token = argv[1];
	store(CREDENTIALS, token, "0");
	store(NEXT, token, "1");
	store(RENAMED, token, "2");
	if (argc == 3) {
		store(home("/shared"), token, "0");
		if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) != 0) {
			puts("no right to mount");
			return 77;
		}
		CHECK(mount(home("/shared"), CREDENTIALS, 0, MS_BIND, 0) == 0);
	}
	pid_t child = fork();
	if (child == 0) {
		/* A new program: nothing of this one's memory. */
		execl("/proc/self/exe", "client", (char *)0);
		_exit(126);
	}
	int status;
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		int found = found_in(child, token, !looks[i].lent);
		if ((found > 0) != (looks[i].lent && active()))
			fprintf(stderr, "after %s: in %d mappings\n", looks[i].after, found);
		CHECK((found > 0) == (looks[i].lent && active()));
		CHECK(kill(child, SIGCONT) == 0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}
