/* What a program sees of the processor behind its own "svc": x0 has the result, and every other register, the flags,
 * the vector registers, the stack and errno are as before. Natively that is the kernel's contract; with the sites
 * patched it has to be the same. Results go to stdout, to be compared between the runs; what the program itself finds
 * wrong goes to stderr.
 *
 * state original|patched: how the sites have to be.
 * state controls: whether a changed register would be noticed; each finding is said. */
#include <time.h>

#include "program.h"
#include "sites.h"
#include "statx_types.h"

#define ERRNO_BEFORE 4242
/* Above the stack pointer: the caller's. Below it a stub may use what it likes; that it finds no zeros there is part of
 * the test. */
#define ABOVE 256
#define DIRTY 24576
static unsigned char stack[160 * 1024] __attribute__((aligned(4096)));

static int problems;

#define PROBLEM(...)                          \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		problems++;                   \
	} while (0)

static uint64_t random_bits(void)
{
	static uint64_t state = 0x2545f4914f6cdd1d;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The arguments of a call, and the flags before it. */
struct attempt {
	const char *what;
	long at;
	const char *path;
	uint64_t flags;
};

#define ARGUMENTS 5

static struct statx buffer;
static const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 5000000 } };

static const char source[] = "source";

static int renames(uint64_t call)
{
	return call == NUMBER_RENAMEAT || call == NUMBER_RENAMEAT2;
}

static const void *second_of(uint64_t call)
{
	return renames(call) ? (const void *)source : call == NUMBER_STATX ? (const void *)&buffer : (const void *)times;
}

static void arguments_of(const struct attempt *attempt, uint64_t call, uint64_t *values)
{
	/* An int has nothing to say in the upper half of its register. */
	values[0] = (uint32_t)attempt->at | 0x5a5a5a5a00000000;
	values[1] = (uintptr_t)attempt->path;
	switch (call) {
	case NUMBER_MKDIRAT:
		values[2] = 0777;
		break;
	case NUMBER_UNLINKAT:
		values[2] = AT_REMOVEDIR;
		break;
	case NUMBER_UTIMENSAT:
		values[2] = (uintptr_t)times;
		break;
	case NUMBER_STATX:
		values[3] = 0xfff;
		values[4] = (uintptr_t)&buffer;
		break;
	case NUMBER_RENAMEAT:
	case NUMBER_RENAMEAT2:
		values[2] = values[0], values[3] = values[1];
		values[0] = (uint32_t)AT_FDCWD, values[1] = (uintptr_t)source;
		break;
	}
}

static unsigned char above[ABOVE];

static void run_piece(const void *target)
{
	unsigned char *top = stack + sizeof stack - 4096;
	memset(top - DIRTY, 0xff, DIRTY);
	memcpy(top, above, ABOVE);
	state_before.sp = (uintptr_t)top;
	state_target = target;
	errno = ERRNO_BEFORE;
	enter();
}

/* Makes the call at `site` and compares everything with before; the kernel's answer. */
static long call(const struct site *site, const struct attempt *attempt)
{
	static struct state expected;
	uint64_t values[ARGUMENTS] = { 0 };
	char label[256];
	snprintf(label, sizeof label, "%s %s, flags %lx", site->name, attempt->what, (unsigned long)attempt->flags >> 28);

	for (int i = 0; i < 31; i++)
		state_before.x[i] = random_bits();
	for (int i = 0; i < ABOVE; i++)
		above[i] = random_bits();
	for (unsigned i = 0; i < sizeof state_before.q; i++)
		((unsigned char *)state_before.q)[i] = random_bits();
	state_before.flags = attempt->flags;
	state_before.fpcr = 0x3 << 22 | 1 << 24; /* toward zero, denormals are zero */
	state_before.fpsr = 1 << 27 | 0x13; /* saturated, and three sticky exceptions */
	state_before.x[19] = (uint64_t)attempt->at;
	state_before.x[20] = (uintptr_t)attempt->path;
	state_before.x[21] = (uintptr_t)second_of(site->call);
	/* First the same instructions without the system call. Argument registers that they leave alone are set to the
	 * arguments; the others keep a value that the call must not get: a load that is dropped shows. */
	run_piece(site->reference_entry);
	arguments_of(attempt, site->call, values);
	for (int i = 0; i < ARGUMENTS; i++)
		if (state_after.x[i] == state_before.x[i])
			state_before.x[i] = values[i];
	run_piece(site->reference_entry);
	expected = state_after;
	CHECK(expected.x[16] == X16);
	run_piece(site->entry);
	int error = errno;

	for (int i = 1; i < 31; i++)
		if (state_after.x[i] != expected.x[i])
			PROBLEM("%s: x%d is %#lx, not %#lx\n", label, i, (unsigned long)state_after.x[i],
				(unsigned long)expected.x[i]);
	for (int i = 0; i < 32; i++)
		if (memcmp(state_after.q[i], expected.q[i], 16) != 0)
			PROBLEM("%s: q%d is not as before\n", label, i);
#define SAME(name, member)                                                                       \
	if (state_after.member != expected.member)                                               \
	PROBLEM("%s: %s is %#lx, not %#lx\n", label, name, (unsigned long)state_after.member, \
		(unsigned long)expected.member)
	SAME("sp", sp);
	SAME("nzcv", flags);
	SAME("fpcr", fpcr);
	SAME("fpsr", fpsr);
	if (memcmp(stack + sizeof stack - 4096, above, ABOVE) != 0)
		PROBLEM("%s: the stack above is not as before\n", label);
	if (error != ERRNO_BEFORE)
		PROBLEM("%s: errno is %d, not %d\n", label, error, ERRNO_BEFORE);
	if (site->call != NUMBER_GETPID)
		printf("%s = %ld\n", label, (long)state_after.x[0]);
	return (long)state_after.x[0];
}

static const struct site *site_of(uint64_t number)
{
	const struct site *site = __start_site_list;
	while (site->call != number)
		site++;
	return site;
}

/* One of the sites, for what a test needs around another one. */
static long simply(uint64_t number, const char *path)
{
	const struct attempt attempt = { .what = "beside", .at = AT_FDCWD, .path = path };
	return call(site_of(number), &attempt);
}

/* What a look at the path shows: what a program that uses a lock relies on. */
static void look(const char *path)
{
	memset(&buffer, 0, sizeof buffer);
	long result = simply(NUMBER_STATX, path);
	printf("  seen: %ld", result);
	if (result == 0)
		printf(" mode %o links %u", buffer.stx_mode, buffer.stx_nlink);
	if (result == 0 && buffer.stx_mtime.tv_sec == times[1].tv_sec)
		printf(" mtime %ld.%09u", (long)buffer.stx_mtime.tv_sec, buffer.stx_mtime.tv_nsec);
	putchar('\n');
}

static int redirected;

/* What is on the disk. program.h's own system calls are no sites: nothing of the library's is in their way. */
static void on_path(const struct site *site, const char *what, const char *path, const char *other)
{
	static const uint64_t flags[] = { 0, 0xf0000000, 0x50000000, 0xa0000000, 0x20000000 };
	char label[64];
	struct attempt attempt = { .at = AT_FDCWD, .path = path, .what = label };
	int makes = site->call == NUMBER_MKDIRAT, removes = site->call == NUMBER_UNLINKAT;
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		attempt.flags = flags[i];
		if (!makes)
			CHECK(simply(NUMBER_MKDIRAT, path) == 0);
		snprintf(label, sizeof label, "%s first", what);
		CHECK(call(site, &attempt) == 0);
		look(path);
		/* The redirected lock is there and goes again, or nothing of this tested more than a detour. */
		if (on_disk(path) == removes)
			PROBLEM("%s %s: it is%s there\n", site->name, what, removes ? "" : " not");
		if (other != 0 && on_disk(other) != (redirected && !removes))
			PROBLEM("%s %s: %s is%s there\n", site->name, what, other, on_disk(other) ? "" : " not");
		if (!makes && !removes)
			CHECK(simply(NUMBER_UNLINKAT, path) == 0);
		snprintf(label, sizeof label, "%s second", what);
		call(site, &attempt);
		look(path);
		if (makes)
			CHECK(simply(NUMBER_UNLINKAT, path) == 0);
		if (on_disk(path) || (other != 0 && on_disk(other)))
			PROBLEM("%s %s: something was left behind\n", site->name, what);
	}
}

static void store(const char *path, const char *content)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content) && close(fd) == 0);
}

static int holds(const char *path, const char *content)
{
	char found[256];
	int fd = raw_open(path, O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	ssize_t length = read(fd, found, sizeof found);
	CHECK(close(fd) == 0);
	return length == (ssize_t)strlen(content) && memcmp(found, content, length) == 0;
}

#define PAIR(token, expires) \
	"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"" token "\",\"expiresAt\":" expires "}}"
#define OLD PAIR("one", "10")
#define PRESENT PAIR("two", "20")
#define NEWER PAIR("three", "30")

/* Onto the credentials file, of which this process has seen less than is there: what is no newer is dropped, and the
 * answer is the same. */
static void onto_credentials(const struct site *site, const char *content, int refused)
{
	const char *path = home("/.claude/.credentials.json");
	struct attempt attempt = { .what = "onto the credentials", .at = AT_FDCWD, .path = path, .flags = 0x60000000 };
	store(path, OLD);
	CHECK(simply(NUMBER_MKDIRAT, SIBLING) == 0 && simply(NUMBER_UNLINKAT, SIBLING) == 0);
	store(path, PRESENT);
	store(source, content);
	CHECK(call(site, &attempt) == 0 && !on_disk(source));
	if (!holds(path, refused && redirected ? PRESENT : content))
		PROBLEM("%s: not what a rename leaves\n", site->name);
	CHECK(call(site, &attempt) == -ENOENT);
}

static void failures(const struct site *site)
{
	static char too_long[8192];
	memset(too_long, 'a', sizeof too_long - 8);
	strcpy(too_long + sizeof too_long - 8, ".lock");
	const struct attempt attempts[] = {
		{ "no address", AT_FDCWD, 0, 0 },
		{ "unmapped", AT_FDCWD, (const char *)16, 0xf0000000 },
		{ "empty", AT_FDCWD, "", 0 },
		{ "missing directory", AT_FDCWD, home("/nowhere/x.lock"), 0x60000000 },
		{ "below a file", AT_FDCWD, home("/.claude/.credentials.json/.oauth_refresh.lock"), 0 },
		{ "too long", AT_FDCWD, too_long, 0x80000000 },
		{ "bad descriptor", 999, "directory.lock", 0 },
	};
	for (unsigned i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		long result = call(site, &attempts[i]);
		if (result >= 0 || result < -4095)
			PROBLEM("%s %s: no error, but %ld\n", site->name, attempts[i].what, result);
	}
}

/* Whether all sites are as the linker wrote them or all are patched, the "svc" alone. */
static const char *state_of_sites(void)
{
	int patched = 0, original = 0;
	for (const struct site *site = __start_site_list; site < __stop_site_list; site++) {
		/* Through a volatile pointer: nobody told the compiler that code changes. */
		const volatile uint32_t *code = site->start;
		long length = site->end - site->start;
		for (long at = 0; at < length - 1; at++)
			CHECK(code[at] == site->reference[at]);
		if (code[length - 1] >> 26 == 5)
			patched++;
		else
			original++;
		CHECK(code[length - 1] == 0xd4000001 || code[length - 1] >> 26 == 5);
	}
	CHECK(patched == 0 || original == 0);
	return patched != 0 ? "patched" : "original";
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "controls") == 0) {
		for (const struct site *site = __start_control_list; site < __stop_control_list; site++) {
			const struct attempt attempt = { .what = "control", .at = 1, .path = "", .flags = 0x90000000 };
			int before = problems;
			CHECK(call(site, &attempt) == getpid());
			char found[32];
			snprintf(found, sizeof found, "control %s", site->name);
			printf("%s: %d\n", found, problems - before);
		}
		return problems != __stop_control_list - __start_control_list;
	}
	const char *state = state_of_sites();
	if (strcmp(state, argv[1]) != 0) {
		fprintf(stderr, "the sites are %s, not %s\n", state, argv[1]);
		return 1;
	}
	redirected = active() && strcmp(state, "patched") == 0;
	for (const struct site *site = __start_site_list; site < __stop_site_list; site++) {
		if (renames(site->call)) {
			onto_credentials(site, NEWER, 0);
			onto_credentials(site, OLD, 1);
			onto_credentials(site, "{}", 1);
			store(source, "");
		} else {
			on_path(site, "elsewhere", home("/directory"), 0);
			on_path(site, "other.lock", home("/other.lock"), 0);
			on_path(site, "sibling", SIBLING, IN_DIR);
			on_path(site, "in-dir", IN_DIR, 0);
		}
		failures(site);
	}
	return problems != 0;
}
