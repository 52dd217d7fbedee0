/* Paths at every place in a page, next to memory that cannot be read: what is a lock is found wherever it lies, and all
 * else is answered as the kernel does. */
#include <sys/mman.h>

#include "program.h"

#define PAGE 4096L

/* Two pages that can be read and written, between two that cannot be read. */
static char *pages;

/* The errno of the hooked functions and of the kernel for a path that names nothing. */
static void same_as_the_kernel(const char *path)
{
	int hooked = rmdir(path) == 0 ? 0 : errno;
	CHECK(hooked == -raw_syscall(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR, 0, 0, 0));
	hooked = rename("missing", path) == 0 ? 0 : errno;
	CHECK(hooked == -raw_syscall(SYS_renameat, AT_FDCWD, (long)"missing", AT_FDCWD, (long)path, 0, 0));
	hooked = renameat(AT_FDCWD, path, AT_FDCWD, path) == 0 ? 0 : errno;
	CHECK(hooked == -raw_syscall(SYS_renameat, AT_FDCWD, (long)path, AT_FDCWD, (long)path, 0, 0));
	hooked = utimensat(AT_FDCWD, path, 0, 0) == 0 ? 0 : errno;
	CHECK(hooked == -raw_syscall(SYS_utimensat, AT_FDCWD, (long)path, 0, 0, 0, 0));
}

static void found_as_lock(const char *path)
{
	CHECK(mkdir(path, 0777) == 0);
	CHECK(guard_is_locked() == active());
	CHECK(mkdirat(AT_FDCWD, path, 0777) == -1 && errno == EEXIST);
	CHECK(utimensat(AT_FDCWD, path, 0, 0) == 0);
	CHECK(unlinkat(AT_FDCWD, path, AT_REMOVEDIR) == 0);
	CHECK(!guard_is_locked());
}

/* Puts a text into a file by raw calls. */
static void put(const char *file, const char *text)
{
	int fd = raw_open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && raw_syscall(SYS_write, fd, (long)text, (long)strlen(text), 0, 0, 0) == (long)strlen(text));
	raw_close(fd);
}

#define LOGIN(token) "{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":4102444800000}}"

/* What nobody may do to a login that he has not seen: a rename of a blank one onto it, which ends well all the same. */
static void found_as_credentials(const char *path)
{
	char present[8];
	const char *credentials = home("/.claude/.credentials.json");
	put(credentials, LOGIN("seen"));
	CHECK(mkdir(SIBLING, 0777) == 0 && rmdir(SIBLING) == 0);
	put(credentials, LOGIN("another"));
	put("blank", "{}");
	static unsigned turn;
	CHECK((turn++ % 2 ? rename("blank", path) : renameat(AT_FDCWD, "blank", AT_FDCWD, path)) == 0);
	int fd = raw_open(credentials, O_RDONLY, 0);
	long size = raw_syscall(SYS_read, fd, (long)present, sizeof present, 0, 0, 0);
	raw_close(fd);
	CHECK((size == sizeof present) == active());
}

static void everywhere(const char *text, void (*check)(const char *))
{
	long size = (long)strlen(text) + 1;
	for (long start = 0; start + size <= 2 * PAGE; start++) {
		/* Not the middle of a page, where nothing is near. */
		if (start == 40)
			start = PAGE - size - 20;
		if (start == PAGE + 20)
			start = 2 * PAGE - size - 20;
		memset(pages, 'x', 2 * PAGE);
		memcpy(pages + start, text, size);
		check(pages + start);
	}
}

int main(void)
{
	char name[64];
	char *memory = mmap(0, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pages = memory + PAGE;
	CHECK(memory != MAP_FAILED && mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);

	/* A first call is not like the later ones. */
	CHECK(mkdir("missing/a", 0777) == -1 && mkdirat(AT_FDCWD, "missing/a", 0777) == -1);
	CHECK(unlinkat(AT_FDCWD, "missing/a", AT_REMOVEDIR) == -1);

	/* Each length up to several blocks of whatever size one may search by; names that end as those of ours do. */
	static const char *const ends[] = {"", "k", "n", "o", "/", "lock", "json", "loc/", ".lock"};
	for (unsigned end = 0; end < sizeof ends / sizeof *ends; end++)
		for (int length = 0; length + strlen(ends[end]) < sizeof name - 1; length += length < 20 ? 1 : 13) {
			memset(name, 'a', sizeof name);
			strcpy(name + length, ends[end]);
			everywhere(name, same_as_the_kernel);
		}

	char sibling[600];
	snprintf(sibling, sizeof sibling, "%s", SIBLING);
	everywhere(sibling, found_as_lock);
	strcat(sibling, "/");
	everywhere(sibling, found_as_lock);
	snprintf(sibling, sizeof sibling, "%s", home("/.claude/.credentials.json"));
	everywhere(sibling, found_as_credentials);

	/* Without an end before the memory that cannot be read. */
	memset(pages, 'x', 2 * PAGE);
	memcpy(pages + 2 * PAGE - 5, ".lock", 5);
	for (long left = 0; left < 60; left++)
		CHECK(mkdir(pages + 2 * PAGE - left, 0777) == -1 && errno == EFAULT);
	CHECK(rename("missing", pages - 1) == -1 && errno == EFAULT);
	/* Numbers that are no addresses, from both ends. */
	for (long number = -32; number < 32; number++) {
		const char *volatile none = (const char *)number;
		CHECK(mkdir(none, 0777) == -1 && errno == EFAULT);
		CHECK(rename("missing", none) == -1 && errno == EFAULT);
		CHECK(unlinkat(AT_FDCWD, none, AT_REMOVEDIR) == -1 && errno == EFAULT);
	}
	return 0;
}
