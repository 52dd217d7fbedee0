/* Runs one snippet: its plain part, then the cycles of the locks with it in between. */
#include "snippet.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "raw.h"

extern const struct snippet *const __start_snippets[];
extern const struct snippet *const __stop_snippets[];

const struct snippet *find_snippet(const char *symbol)
{
	for (const struct snippet *const *entry = __start_snippets; entry < __stop_snippets; entry++)
		if (strcmp((*entry)->symbol, symbol) == 0)
			return *entry;
	return 0;
}

const struct snippet *chosen_snippet(void)
{
	const char *symbol = getenv("TEST_SYMBOL");
	const struct snippet *snippet = symbol == 0 ? 0 : find_snippet(symbol);
	if (snippet == 0)
		raw_exit(64);
	return snippet;
}

/* Shows in strace, does nothing: descriptor -1 is never open. */
static void marker(const char *text)
{
	raw_write(-1, text, strlen(text));
}

/* What npm proper-lockfile does: a whole second plus 5 ms tells whether the filesystem keeps milliseconds. */
static void set_probe_time(const char *lock)
{
	struct timespec now;
	raw_syscall(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0, 0, 0, 0);
	struct timespec times[2] = { { now.tv_sec + 1, 5000000 }, { now.tv_sec + 1, 5000000 } };
	CASE("utimensat", utimensat(AT_FDCWD, lock, times, 0));
	struct stat status;
	errno = ERRNO_SENTINEL;
	int result = stat(lock, &status);
	record_result("stat", result, errno);
	if (result != 0)
		return;
	record_number("seconds off", (long)(status.st_mtim.tv_sec - times[1].tv_sec));
	record_number("nanoseconds", status.st_mtim.tv_nsec);
	record_stat(&status);
}

static void cycle(const struct snippet *snippet, const char *lock)
{
	struct stat status;
	record_section("free", last_component(lock));
	snippet->on_lock(lock);
	CASE("mkdir", mkdir(lock, 0777));
	CASE("mkdir again", mkdir(lock, 0777));
	set_probe_time(lock);
	record_section("held", last_component(lock));
	snippet->on_lock(lock);
	record_section("release", last_component(lock));
	CASE("mkdir again", mkdir(lock, 0777));
	set_probe_time(lock);
	CASE("rmdir", rmdir(lock));
	CASE("rmdir again", rmdir(lock));
	CASE("stat", stat(lock, &status));
}

static void lock_cycles(const struct snippet *snippet)
{
	static char sibling[4096], in_dir[4096];
	strcpy(sibling, in_root("/home/.claude.lock"));
	strcpy(in_dir, in_root("/home/.claude/.oauth_refresh.lock"));

	record_section("old client", "");
	cycle(snippet, sibling);
	record_section("new client", "");
	cycle(snippet, in_dir);
	record_section("both", "in-dir, then sibling");
	CASE("mkdir", mkdir(in_dir, 0777));
	cycle(snippet, sibling);
	CASE("rmdir", rmdir(in_dir));
	record_section("relative", "");
	raw_chdir(in_root("/home"));
	cycle(snippet, ".claude.lock");
	cycle(snippet, ".claude//./.oauth_refresh.lock");
	record_section("same names elsewhere", "");
	raw_chdir(in_root("/work"));
	cycle(snippet, ".claude.lock");
	cycle(snippet, "directory/.oauth_refresh.lock");
}

void run_snippet(const struct snippet *snippet)
{
	/* The library reads once per process where the config directory is, at the first mkdir or rmdir of a name
	 * that may be a lock's. system_calls lets that happen first; cold_paths shows that nothing else does it. */
	if (getenv("TEST_WARM_UP") != 0)
		rmdir("never-made.lock");
	marker("plain-begin");
	snippet->plain();
	marker("plain-end");
	record_lowest_descriptor("lowest descriptor");
	if (snippet->on_lock != 0)
		lock_cycles(snippet);
	record_lowest_descriptor("lowest descriptor");
}
