/* A container that shares the directory, and nothing else, and is hostile at random: while clients take locks, write and read credentials,
 * it removes, replaces, swaps and locks everything there, by a seed (argv[1]) and for so many seconds (argv[2]). Every
 * call of a client's ends, within its bound, with an answer that the client knows; no victim outside changes, and no
 * descriptor is left. */
#include <sys/prctl.h>
#include <sys/time.h>

#include "hostile.h"

#define CLIENTS 4
#define PAIR(token) "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":2}}"

static const char *const paths[] = {
	"/.claude/.lockspan", "/.claude/.lockspan/oauth_refresh.guard", "/.claude/.lockspan/oauth_refresh.owner",
	"/.claude/.lockspan/removal", "/.claude/.oauth_refresh.lock", "/.claude.lock", "/.claude/.credentials.json",
	"/.claude/.credentials.json.lockspan", "/.claude/.oauth_refresh.lock.owner",
};
#define PATHS (sizeof paths / sizeof *paths)

static unsigned state;

static unsigned below(unsigned limit)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % limit;
}

static void remove_whatever(const char *path)
{
	char inner[4200];
	if (raw_syscall(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0) == 0)
		return;
	/* A directory: what may be in it first. */
	for (size_t i = 0; i < PATHS; i++) {
		snprintf(inner, sizeof inner, "%s/%s", path, strrchr(paths[i], '/') + 1);
		raw_syscall(SYS_unlinkat, AT_FDCWD, (long)inner, 0, 0, 0, 0);
	}
	raw_syscall(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR, 0, 0, 0);
}

/* What others have put there meanwhile is not followed. */
static int harmless(const char *path)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	raw_write(fd, PAIR("other"), strlen(PAIR("other")));
	return raw_close(fd);
}

static int directory(const char *path) { return raw_mkdir(path, 0755); }

static void hostile(void)
{
	/* As credentials only what comes first: to anything else a client's own calls lead, natively too. */
	static int (*const plants[])(const char *) = {
		harmless, directory, plant_link_to_directory, plant_link_to_victim, plant_dangling_link, plant_loop,
		plant_fifo, plant_zero,
	};
	const char *path = home(paths[below(PATHS)]), *other = home(paths[below(PATHS)]);
	int credentials = strstr(path, ".credentials.json") != 0;
	switch (below(4)) {
	case 0:
		remove_whatever(path);
		break;
	case 1:
		if (!credentials && !strstr(other, ".credentials.json"))
			raw_syscall(SYS_renameat2, AT_FDCWD, (long)path, AT_FDCWD, (long)other, RENAME_EXCHANGE, 0);
		break;
	default:
		remove_whatever(path);
		plants[below(credentials ? 2 : sizeof plants / sizeof *plants)](path);
	}
}

static int known(int error)
{
	return error == EEXIST || error == ENOENT || error == ENOTDIR || error == ELOOP || error == EISDIR ||
	       error == ENOTEMPTY || error == EIO || error == ENXIO || error == EINVAL;
}

/* A call that has succeeded, or failed as such a call may, within the bound of one that waits for four others' turns. */
#define TRY(call) ({ long start = milliseconds(); errno = 0; long result = (call); int error = errno; \
	CHECK(milliseconds() - start < 4000); \
	if (result < 0 && !known(error)) { errno = error; CHECK(!#call); } result; })

static unsigned long client(long until)
{
	static unsigned long taken;
	struct stat found;
	char content[256];
	while (milliseconds() < until) {
		const char *lock = below(2) ? SIBLING : IN_DIR;
		int made = (int)TRY(mkdir(lock, 0777));
		/* There is nothing else by which a client tries again. */
		CHECK(made == 0 || errno == EEXIST || lock != SIBLING);
		taken += made == 0;
		TRY(stat(lock, &found));
		/* As proper-lockfile does, but for the link that is followed, natively too. */
		TRY(lutimes(lock, 0));
		int fd = (int)TRY(open(home("/.claude/.credentials.json"), O_RDONLY | O_CLOEXEC));
		if (fd >= 0) {
			TRY(read(fd, content, sizeof content));
			TRY(close(fd));
		}
		if (made == 0 && (fd = (int)TRY(open(home("/.claude/.credentials.json"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600))) >= 0) {
			TRY(write(fd, PAIR("new"), strlen(PAIR("new"))));
			TRY(close(fd));
		}
		TRY(rmdir(lock));
	}
	return taken;
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	state = (unsigned)atoi(argv[1]);
	make_victims();
	struct victims before = look_at_victims();
	long until = milliseconds() + atoi(argv[2]) * 1000;
	for (int i = 0; i <= CLIENTS; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child != 0)
			continue;
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		alarm((unsigned)atoi(argv[2]) + 30); /* the watchdog */
		state += (unsigned)i;
		int descriptors = count_descriptors();
		if (i < CLIENTS) {
			CHECK(client(until) > 0);
		} else {
			/* Links to what is outside lead nowhere in here. */
			CHECK(chroot(home("")) == 0 && setenv("HOME", "", 1) == 0);
			while (milliseconds() < until)
				hostile();
		}
		CHECK(count_descriptors() == descriptors);
		_exit(0);
	}
	for (int status; wait(&status) > 0;)
		CHECK(status == 0);
	CHECK(!victims_changed(&before));
	return 0;
}
