/* Who may put what in the place of the credentials, in a config directory that is shared: argv[1] says which case.
 * Only a process that has not seen what is there, and brings nothing newer, is refused, and quietly. */
#include "moments.h"
#include "program.h"

static char credentials[4096], temporary[4096], events[4096];

static void store(const char *path, const char *content)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content) && close(fd) == 0);
}

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("one", "10")
#define PRESENT PAIR("two", "20")
#define NEWER PAIR("three", "30")
#define BLANK "{\"claudeAiOauth\":{\"accessToken\":\"\",\"refreshToken\":\"\",\"expiresAt\":0}}"

/* By raw calls, as one that the library does not see. */
static void another_writes(const char *content)
{
	char path[5000];
	snprintf(path, sizeof path, "%s.other", temporary);
	store(path, content);
	CHECK(raw_syscall(SYS_renameat2, AT_FDCWD, (long)path, AT_FDCWD, (long)credentials, 0, 0) == 0);
}

static void publish(const char *content)
{
	store(temporary, content);
	errno = 4711;
	CHECK(rename(temporary, credentials) == 0 && errno == 4711);
	CHECK(!on_disk(temporary));
}

static void cycle(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
}

static int holds(const char *content)
{
	char found[1024];
	int fd = raw_open(credentials, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	ssize_t length = read(fd, found, sizeof found - 1);
	CHECK(length >= 0 && close(fd) == 0);
	found[length] = '\0';
	if (strcmp(found, content) != 0)
		fprintf(stderr, "found %s\n", found);
	return strcmp(found, content) == 0;
}

static int refusals(void)
{
	char line[1024];
	int count = 0;
	FILE *log = fopen(events, "re");
	while (log && fgets(line, sizeof line, log))
		count += strstr(line, "\"publish-refused\"") != 0;
	if (log)
		fclose(log);
	return count;
}

/* The content is there, and nothing was refused. */
static void through(const char *content)
{
	CHECK(holds(content) && refusals() == 0);
}

static void case_stale(void)
{
	cycle();
	another_writes(PRESENT);
	publish(BLANK);
	CHECK(holds(active() ? PRESENT : BLANK) && refusals() == active());
	another_writes(PRESENT);
	publish(OLD);
	CHECK(holds(active() ? PRESENT : OLD) && refusals() == 2 * active());
}

static void case_logout(void) { cycle(); publish(BLANK); through(BLANK); }
static void case_newer_login(void) { cycle(); another_writes(PRESENT); publish(NEWER); through(NEWER); }
static void case_unknown(void) { another_writes(PRESENT); publish(BLANK); through(BLANK); another_writes(PRESENT); publish(OLD); }
static void case_restore_of_backup(void) { another_writes(PRESENT); publish(OLD); through(OLD); }
static void case_refresh_then_logout(void) { cycle(); publish(PRESENT); through(PRESENT); publish(BLANK); through(BLANK); }
static void case_seen_again(void) { cycle(); another_writes(PRESENT); cycle(); publish(BLANK); through(BLANK); }

/* The file was gone: the first rename is none onto anything. What it brought is this process's own. */
static void case_own_login_then_logout(void)
{
	cycle();
	CHECK(unlink(credentials) == 0);
	publish(PRESENT);
	through(PRESENT);
	publish(BLANK);
	through(BLANK);
}

/* Written in place, through libc, as clients do after EBUSY: this process knows what it wrote. */
static void case_own_write_then_logout(void)
{
	cycle();
	int fd = open(credentials, O_WRONLY | O_TRUNC | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, PRESENT, strlen(PRESENT)) == (ssize_t)strlen(PRESENT) && close(fd) == 0);
	publish(BLANK);
	through(BLANK);
}

/* Read through libc: this process has seen what is there. */
static void case_read_then_logout(void)
{
	char found[1024];
	cycle();
	another_writes(PRESENT);
	int fd = open(credentials, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, found, sizeof found) > 0 && close(fd) == 0);
	publish(BLANK);
	through(BLANK);
}

/* What was seen in one config directory says nothing of another. */
static void case_other_directory(void)
{
	char directory[3000];
	cycle();
	snprintf(directory, sizeof directory, "%s", home("/other"));
	CHECK(mkdir(directory, 0700) == 0 && setenv("CLAUDE_CONFIG_DIR", directory, 1) == 0);
	snprintf(credentials, sizeof credentials, "%s/.credentials.json", directory);
	snprintf(temporary, sizeof temporary, "%s/tmp", directory);
	store(credentials, PRESENT);
	publish(BLANK);
	through(BLANK);
}

/* A login that has an access token alone, as long-lived ones do, is no blank. */
static void case_login_without_refresh_token(void)
{
	static const char login[] = "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":null,\"expiresAt\":99}}";
	cycle();
	another_writes(PRESENT);
	publish(login);
	through(login);
}

/* Numbers of JSON need be no integers. */
static void case_fraction(void)
{
	static const char login[] = PAIR("three", "30.5"), another[] = PAIR("four", "3.1e9");
	cycle();
	another_writes(PRESENT);
	publish(login);
	through(login);
	another_writes(PRESENT);
	publish(another);
	through(another);
}

/* A lock of POSIX's kind that the host has on the file is lost when any descriptor of the file is closed. */
static void case_host_lock(void)
{
	struct flock range = { .l_type = F_WRLCK };
	int fd = open(credentials, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fcntl(fd, F_SETLK, &range) == 0);
	cycle();
	pid_t child = fork();
	if (child == 0) {
		struct flock asked = { .l_type = F_WRLCK };
		CHECK(fcntl(fd, F_GETLK, &asked) == 0 && asked.l_type != F_UNLCK);
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void before_moment(void)
{
	raw_rmdir(SIBLING);
	raw_rmdir(IN_DIR);
	store(credentials, OLD);
	store(temporary, BLANK);
}

static void stores_meanwhile(void) { another_writes(PRESENT); }
static int is_undone(void) { return !holds(PRESENT); }

static void renames_blank(void)
{
	cycle();
	begin();
	CHECK(rename(temporary, credentials) == 0);
}

static void closes_blank(void)
{
	CHECK(mkdir(SIBLING, 0777) == 0);
	int fd = open(credentials, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, BLANK, strlen(BLANK)) == (ssize_t)strlen(BLANK));
	begin();
	CHECK(close(fd) == 0);
}

/* What somebody else stores in the middle of a publish is overwritten at one moment: that of the rename itself. Without
 * the library nothing is looked at. */
static void case_moments(void)
{
	struct moments found = moments(before_moment, renames_blank, stores_meanwhile, is_undone);
	CHECK(active() ? found.undone == 1 && found.all > 10 : found.undone > 0);
	found = moments(before_moment, closes_blank, stores_meanwhile, is_undone);
	CHECK(found.undone == active() && found.all > (active() ? 10 : 1));
}

#define NAMED(name) { #name, case_##name }
static const struct { const char *name; void (*run)(void); } cases[] = {
	NAMED(stale), NAMED(logout), NAMED(newer_login), NAMED(unknown), NAMED(restore_of_backup),
	NAMED(refresh_then_logout), NAMED(seen_again), NAMED(own_login_then_logout), NAMED(own_write_then_logout),
	NAMED(read_then_logout), NAMED(other_directory), NAMED(login_without_refresh_token), NAMED(fraction),
	NAMED(host_lock), NAMED(moments),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (strcmp(cases[i].name, argv[1]) == 0) {
			strcpy(credentials, home("/.claude/.credentials.json"));
			strcpy(temporary, home("/.claude/.credentials.json.tmp.1"));
			strcpy(events, home("/events"));
			CHECK(setenv("LOCKSPAN_EVENTS", events, 1) == 0);
			store(credentials, OLD);
			cases[i].run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
