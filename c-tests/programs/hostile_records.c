/* Records that somebody else has planted, to have a live holder robbed: hostile_records. A record of this library is
 * changed in one word at a time and put where the next client looks; it must not prove the death of anybody who lives.
 * What remains is in docs/security.md: whoever knows all that a record says, and may write it, may as well remove the
 * lock itself. */
#include "hostile.h"

#define RECORD home("/.claude/.lockspan/oauth_refresh.owner")
#define LENGTH 576

static char record[LENGTH + 1];

static void plant(const char *text, size_t length)
{
	raw_syscall(SYS_unlinkat, AT_FDCWD, (long)RECORD, 0, 0, 0, 0);
	write_file(RECORD, text, length);
}

/* A record like the present one, with other words behind a line's name. */
static void plant_with(const char *line, const char *words)
{
	char text[2 * LENGTH];
	char name[32];
	snprintf(name, sizeof name, "\n%s ", line);
	char *start = strstr(record, name);
	CHECK(start != 0);
	start += strlen(name);
	size_t before = (size_t)(start - record);
	int length = snprintf(text, sizeof text, "%.*s%s%s", (int)before, record, words, strchr(start, '\n'));
	CHECK(length > 0);
	/* Padded, or cut of its padding. */
	memset(text + length, '\n', sizeof text - (size_t)length);
	plant(text, LENGTH);
}

/* The words of a lock's identity, as records have them. */
static const char *identity(const char *path)
{
	static char words[128];
	struct statx found;
	CHECK(raw_syscall(SYS_statx, AT_FDCWD, (long)path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, (long)&found, 0) == 0);
	unsigned long device = (unsigned long)found.stx_dev_major << 32 | found.stx_dev_minor;
	snprintf(words, sizeof words, "%lu %lu %lu %u", device, (unsigned long)found.stx_ino,
		 (unsigned long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
	return words;
}

/* A macro, for the line of the one that fails. */
#define refused() CHECK(asked_from_outside(IN_DIR) == EEXIST && asked_from_outside(SIBLING) == EEXIST && on_disk(IN_DIR))

int main(void)
{
	alarm(60); /* the watchdog */
	if (!active())
		return 0;
	/* This process, by the library: it lives, and its guard says so, whatever its record says. */
	CHECK(mkdir(IN_DIR, 0777) == 0);
	int fd = raw_open(RECORD, O_RDONLY | O_CLOEXEC, 0);
	CHECK(read(fd, record, sizeof record) == LENGTH && raw_close(fd) == 0);
	plant_with("pid", "999999999");
	refused();
	plant("", 0);
	refused();
	plant_with("host", "\033[2Jhost");
	refused();
	CHECK(raw_syscall(SYS_unlinkat, AT_FDCWD, (long)RECORD, 0, 0, 0, 0) == 0);
	refused();
	CHECK(rmdir(IN_DIR) == 0);

	/* A live client without the library: nobody has the guard. The record of the one before speaks of another directory. */
	plant(record, LENGTH);
	CHECK(raw_mkdir(IN_DIR, 0777) == 0);
	refused();
	/* This very directory, but one word is not what its owner would have written. */
	struct statx found;
	if (raw_syscall(SYS_statx, AT_FDCWD, (long)IN_DIR, 0, STATX_BTIME, (long)&found, 0) != 0 || !(found.stx_mask & STATX_BTIME)) {
		puts("no times of birth on this filesystem");
		return 77;
	}
	char lock[128], guard[128];
	strcpy(lock, identity(IN_DIR));
	strcpy(guard, identity(GUARD));
	plant_with("lock", lock);
	fd = raw_open(RECORD, O_RDONLY | O_CLOEXEC, 0);
	CHECK(read(fd, record, LENGTH) == LENGTH && raw_close(fd) == 0);
	/* It names this process, which lives. */
	refused();
	plant_with("boot", "00000000-0000-0000-0000-000000000000");
	refused();
	plant_with("coherent", "0");
	refused();
	plant_with("left", "1");
	refused();
	plant_with("guard", lock);
	refused();
	plant_with("started", "0");
	refused();
	plant_with("pid", "4294967296");
	refused();
	plant_with("pid", "-1");
	refused();
	plant_with("lock", guard);
	refused();
	plant_with("boot", "");
	refused();
	static char twice[2 * LENGTH];
	memcpy(twice, record, LENGTH);
	memcpy(twice + LENGTH, record, LENGTH);
	plant(twice, sizeof twice);
	refused();
	plant(record, LENGTH - 1);
	refused();
	/* That the record is one that proves, or all this would show nothing: of a dead process the lock is taken over. */
	plant_with("pid", "999999999");
	CHECK(asked_from_outside(IN_DIR) == 0);
	return 0;
}
