/* What a program sees of the processor behind its own system call instructions: every general register, the
 * flags, the red zone, the vector, mask and x87 registers, the stack pointer, errno and the exact result.
 * Natively that is the kernel's contract; with the sites patched it has to be the same. Results go to stdout, to
 * be compared between the runs; what the program itself finds wrong goes to stderr.
 *
 * raw_state original|patched: how the sites have to be. */
#include <cpuid.h>
#include <signal.h>
#include <time.h>

#include "raw_program.h"

#define ERRNO_BEFORE 4242
#define CARRY 0x1
#define PARITY 0x4
#define AUXILIARY 0x10
#define ZERO 0x40
#define SIGN 0x80
#define DIRECTION 0x400
#define OVERFLOW 0x800
/* What user space always has: interrupts on, and a bit that is always set. */
#define FLAGS_BASE 0x202

#define RED_ZONE 128
/* Above the stack pointer: the caller's, too. */
#define ABOVE 256
/* Below the red zone a stub may use what it likes; that it finds no zeros there is part of the test. */
#define DIRTY 24576
static unsigned char stack[160 * 1024] __attribute__((aligned(4096)));

/* XSAVE's components, by bit. */
#define X87 0
#define SSE 1
#define AVX 2
#define MASK 5
#define ZMM_HIGH 6
#define ZMM_MORE 7
static const int components[] = { X87, SSE, AVX, MASK, ZMM_HIGH, ZMM_MORE };
static struct {
	unsigned offset, size;
} places[8];

static int problems;

#define PROBLEM(...)                          \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		problems++;                   \
	} while (0)

static uint64_t random_state;
static uint64_t random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void find_components(void)
{
	unsigned a, b, c, d;
	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0) {
		puts("this processor or kernel has no XSAVE: nothing is patched without it");
		exit(77);
	}
	unsigned low, high;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	for (unsigned i = 0; i < sizeof components / sizeof *components; i++) {
		int bit = components[i];
		if ((low >> bit & 1) == 0)
			continue;
		raw_parts |= 1ull << bit;
		if (bit <= SSE)
			continue;
		__cpuid_count(0xd, bit, a, b, c, d);
		places[bit].size = a;
		places[bit].offset = b;
		CHECK(a + b <= VECTOR_ROOM);
	}
	/* What a C program has: captured once. */
	__asm__ volatile("xsave64 %0" : "+m"(raw_calm) : "a"((unsigned)raw_parts), "d"(0));
}

enum vector { PATTERN, INITIAL };

/* The vector state to begin with, in the form that XRSTOR reads. */
static void fill_vector(unsigned char *image, enum vector vector)
{
	memset(image, 0, VECTOR_ROOM);
	uint32_t control = 0x1f80;
	memcpy(image + 24, &control, 4);
	if (vector == INITIAL)
		return; /* No component is marked as present: all get their initial values. */
	for (unsigned at = 32; at < 416; at++)
		image[at] = random_bits();
	/* Eight x87 registers, valid, of ten bytes each. */
	for (unsigned i = 0; i < 8; i++)
		memset(image + 32 + 16 * i + 10, 0, 6);
	const uint16_t x87_control = 0x0a7f; /* double precision, rounding up, nothing traps */
	memcpy(image, &x87_control, 2);
	const uint16_t x87_status = 0x3921; /* the stack's top at 7, some conditions, two sticky exceptions */
	memcpy(image + 2, &x87_status, 2);
	image[4] = 0xff;
	control = 0xffe1; /* toward zero, denormals are zero, nothing traps, two sticky exceptions */
	memcpy(image + 24, &control, 4);
	for (int bit = AVX; bit < 8; bit++)
		for (unsigned at = 0; at < places[bit].size; at++)
			image[places[bit].offset + at] = random_bits();
	memcpy(image + 512, &raw_parts, 8);
}

/* A component that XSAVE left out, because it has its initial value, is written as that value. */
static void complete(unsigned char *image)
{
	uint64_t present;
	memcpy(&present, image + 512, 8);
	if ((present >> X87 & 1) == 0) {
		const uint16_t x87_control = 0x37f;
		memset(image, 0, 24);
		memcpy(image, &x87_control, 2);
		memset(image + 32, 0, 128);
	}
	if ((present >> SSE & 1) == 0)
		memset(image + 160, 0, 256);
	for (int bit = AVX; bit < 8; bit++)
		if ((present >> bit & 1) == 0)
			memset(image + places[bit].offset, 0, places[bit].size);
}

static void compare_bytes(const char *label, const char *what, int number, const unsigned char *got,
			  const unsigned char *expected, unsigned length)
{
	if (memcmp(got, expected, length) == 0)
		return;
	fprintf(stderr, "%s: %s", label, what);
	if (number >= 0)
		fprintf(stderr, "%d", number);
	for (unsigned at = 0; at < length; at++)
		if (got[at] != expected[at]) {
			fprintf(stderr, " byte %u is %02x, was %02x", at, got[at], expected[at]);
			break;
		}
	fputc('\n', stderr);
	problems++;
}

static void compare_vectors(const char *label, unsigned char *got, unsigned char *expected)
{
	complete(got);
	complete(expected);
	compare_bytes(label, "x87 control word", -1, got, expected, 2);
	compare_bytes(label, "x87 status word", -1, got + 2, expected + 2, 2);
	compare_bytes(label, "x87 tags", -1, got + 4, expected + 4, 1);
	compare_bytes(label, "mxcsr", -1, got + 24, expected + 24, 4);
	for (int i = 0; i < 8; i++)
		compare_bytes(label, "st", i, got + 32 + 16 * i, expected + 32 + 16 * i, 10);
	for (int i = 0; i < 16; i++) {
		compare_bytes(label, "xmm", i, got + 160 + 16 * i, expected + 160 + 16 * i, 16);
		if (places[AVX].size != 0) {
			unsigned at = places[AVX].offset + 16 * i;
			compare_bytes(label, "high half of ymm", i, got + at, expected + at, 16);
		}
		if (places[ZMM_HIGH].size != 0) {
			unsigned at = places[ZMM_HIGH].offset + 32 * i;
			compare_bytes(label, "high half of zmm", i, got + at, expected + at, 32);
		}
		if (places[ZMM_MORE].size != 0) {
			unsigned at = places[ZMM_MORE].offset + 64 * i;
			compare_bytes(label, "zmm", 16 + i, got + at, expected + at, 64);
		}
	}
	for (int i = 0; i < 8 && places[MASK].size != 0; i++) {
		unsigned at = places[MASK].offset + 8 * i;
		compare_bytes(label, "k", i, got + at, expected + at, 8);
	}
}

static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

/* The arguments of a call, and the processor around it. */
struct attempt {
	const char *what;
	long at;
	const char *path;
	/* Mode, AT_ flags: what the kind of call takes. */
	long number;
	/* Times, a buffer, or a rename's source. */
	const void *second;
	enum vector vector;
	unsigned misaligned;
	uint64_t flags;
	/* The system call is entered behind the "mov", with the number in eax: as if by a jump that no decoder saw. */
	int behind;
};

#define ARGUMENTS 5
static const int argument_registers[ARGUMENTS] = { RDI, RSI, RDX, R10, R8 };

static void arguments_of(const struct attempt *attempt, uint64_t call, uint64_t *values)
{
	uint64_t at = (uint64_t)attempt->at, path = (uintptr_t)attempt->path, second = (uintptr_t)attempt->second;
	uint64_t number = (uint64_t)attempt->number;
	/* An int has nothing to say in the upper half of its register. */
	at = (uint32_t)at | 0x5a5a5a5a00000000;
	switch (call) {
	case CALL_MKDIR:
		values[0] = path, values[1] = number;
		break;
	case CALL_RMDIR:
		values[0] = path;
		break;
	case CALL_MKDIRAT:
	case CALL_UNLINKAT:
		values[0] = at, values[1] = path, values[2] = number;
		break;
	case CALL_UTIMENSAT:
		values[0] = at, values[1] = path, values[2] = second, values[3] = number;
		break;
	case CALL_STATX:
		values[0] = at, values[1] = path, values[2] = number, values[3] = 0xfff, values[4] = second;
		break;
	case CALL_STAT:
	case CALL_LSTAT:
		values[0] = path, values[1] = second;
		break;
	case CALL_RENAME:
		values[0] = second, values[1] = path;
		break;
	case CALL_RENAMEAT:
	case CALL_RENAMEAT2:
		values[0] = (uint32_t)AT_FDCWD, values[1] = second, values[2] = at, values[3] = path, values[4] = number;
		break;
	}
}

/* What the kernel leaves in rcx and r11, learned from a call that no table has. */
static int next_address_in_rcx, flags_in_r11;

static uint64_t stack_pointer(const struct attempt *attempt)
{
	return (uintptr_t)stack + sizeof stack - 4096 - attempt->misaligned;
}

static unsigned char red_zone[RED_ZONE], above[ABOVE];

static void enter(const struct attempt *attempt, const void *target)
{
	unsigned char *top = (unsigned char *)stack_pointer(attempt);
	memset(top - RED_ZONE - DIRTY, 0xff, DIRTY);
	memcpy(top - RED_ZONE, red_zone, RED_ZONE);
	memcpy(top, above, ABOVE);
	memset(raw_after.vector, 0, sizeof raw_after.vector);
	raw_target = target;
	errno = ERRNO_BEFORE;
	raw_enter();
}

/* Makes the call at `site` and compares everything with before; the kernel's answer. */
static long call(const struct raw_site *site, const struct attempt *attempt)
{
	static struct raw_state expected;
	uint64_t values[ARGUMENTS] = { 0 };
	char label[256];
	snprintf(label, sizeof label, "%s %s, %s, stack %u, flags %#lx", site->name, attempt->what,
		 attempt->vector == PATTERN ? "pattern" : "initial", attempt->misaligned, (unsigned long)attempt->flags);

	for (int i = 0; i < 16; i++)
		raw_before.general[i] = random_bits();
	for (int i = 0; i < RED_ZONE; i++)
		red_zone[i] = random_bits();
	for (int i = 0; i < ABOVE; i++)
		above[i] = random_bits();
	fill_vector(raw_before.vector, attempt->vector);
	raw_before.flags = FLAGS_BASE | attempt->flags;
	raw_before.general[RSP] = stack_pointer(attempt);
	raw_before.general[RBP] = (uintptr_t)attempt->second;
	raw_before.general[R12] = (uintptr_t)attempt->path;
	raw_before.general[R13] = (uint64_t)attempt->at;
	/* First the same instructions without the system call. Argument registers that they leave alone are set
	 * to the arguments; the others keep a value that the call must not get: a load that is dropped shows. */
	enter(attempt, site->reference);
	for (int i = 0; i < ARGUMENTS; i++) {
		int general = argument_registers[i];
		if (attempt->behind || raw_after.general[general] == raw_before.general[general]) {
			arguments_of(attempt, site->call, values);
			raw_before.general[general] = values[i];
		}
	}
	enter(attempt, attempt->behind ? (const void *)raw_captured : site->reference);
	expected = raw_after;
	const unsigned char *target = site->start;
	if (attempt->behind) {
		target = site->end - 2;
		uint32_t number;
		memcpy(&number, site->reference + 1, 4);
		raw_before.general[RAX] = number;
	}
	enter(attempt, target);
	int error = errno;

	for (int i = 0; i < 16; i++) {
		uint64_t wanted = expected.general[i], got = raw_after.general[i];
		if (i == RAX)
			continue;
		if (i == RCX && next_address_in_rcx)
			wanted = (uintptr_t)site->end;
		if (i == R11 && flags_in_r11)
			wanted = expected.flags;
		if (got != wanted)
			PROBLEM("%s: %s is %#lx, not %#lx\n", label, names[i], (unsigned long)got, (unsigned long)wanted);
	}
	if (raw_after.flags != expected.flags)
		PROBLEM("%s: flags are %#lx, not %#lx\n", label, (unsigned long)raw_after.flags,
			(unsigned long)expected.flags);
	const unsigned char *top = (const unsigned char *)stack_pointer(attempt);
	compare_bytes(label, "red zone", -1, top - RED_ZONE, red_zone, RED_ZONE);
	compare_bytes(label, "stack above", -1, top, above, ABOVE);
	compare_vectors(label, raw_after.vector, expected.vector);
	if (error != ERRNO_BEFORE)
		PROBLEM("%s: errno is %d, not %d\n", label, error, ERRNO_BEFORE);
	printf("%s = %ld\n", label, (long)raw_after.general[RAX]);
	return (long)raw_after.general[RAX];
}

static void learn_contract(void)
{
	const struct attempt attempt = { .what = "learn", .flags = CARRY | ZERO };
	fill_vector(raw_before.vector, INITIAL);
	raw_before.flags = FLAGS_BASE | attempt.flags;
	raw_before.general[RSP] = stack_pointer(&attempt);
	raw_before.general[RCX] = raw_before.general[R11] = 1;
	enter(&attempt, raw_unlisted.start);
	CHECK((long)raw_after.general[RAX] == getpid());
	next_address_in_rcx = raw_after.general[RCX] == (uintptr_t)raw_unlisted.end;
	flags_in_r11 = raw_after.general[R11] == raw_before.flags;
}

static int renames(uint64_t call)
{
	return call == CALL_RENAME || call == CALL_RENAMEAT || call == CALL_RENAMEAT2;
}

static struct statx statx_buffer;
static struct stat stat_buffer;
static const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 5000000 } };

static void *second_of(uint64_t call)
{
	switch (call) {
	case CALL_UTIMENSAT:
		return (void *)times;
	case CALL_STATX:
		return &statx_buffer;
	case CALL_STAT:
	case CALL_LSTAT:
		return &stat_buffer;
	case CALL_RENAME:
	case CALL_RENAMEAT:
	case CALL_RENAMEAT2:
		return "source";
	default:
		return 0;
	}
}

/* What a look at the path shows: what a program that uses a lock relies on. */
static void look(const char *path)
{
	struct statx status;
	long result = raw_site_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status);
	printf("  seen: %ld", result);
	if (result == 0)
		printf(" mode %o links %u", status.stx_mode, status.stx_nlink);
	if (result == 0 && status.stx_mtime.tv_sec == times[1].tv_sec)
		printf(" mtime %ld.%09u", (long)status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec);
	putchar('\n');
}

static long usual_number(uint64_t call)
{
	return call == CALL_MKDIR || call == CALL_MKDIRAT ? 0777 : call == CALL_UNLINKAT ? AT_REMOVEDIR : 0;
}

static const struct {
	enum vector vector;
	unsigned misaligned;
	uint64_t flags;
} variants[] = {
	{ PATTERN, 0, CARRY | PARITY | AUXILIARY | ZERO | SIGN | OVERFLOW | DIRECTION },
	{ INITIAL, 8, 0 },
	{ PATTERN, 1, DIRECTION },
	{ INITIAL, 48, CARRY | AUXILIARY | SIGN },
	{ PATTERN, 40, PARITY | ZERO | OVERFLOW },
};

/* The call at `site`, where it succeeds and where it does not, on a path that nothing is at before. */
static void on_path(const struct raw_site *site, const char *what, const char *path, int sibling)
{
	char label[64];
	struct attempt attempt = { .at = AT_FDCWD, .path = path, .number = usual_number(site->call) };
	attempt.second = second_of(site->call);
	for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++) {
		attempt.vector = variants[i].vector;
		attempt.misaligned = variants[i].misaligned;
		attempt.flags = variants[i].flags;
		attempt.what = label;
		int makes = site->call == CALL_MKDIR || site->call == CALL_MKDIRAT;
		int removes = site->call == CALL_RMDIR || site->call == CALL_UNLINKAT;
		if (!makes)
			CHECK(raw_site_mkdir(path, 0777) == 0);
		snprintf(label, sizeof label, "%s first", what);
		call(site, &attempt);
		look(path);
		/* The redirected lock is there, or nothing of this tested more than a detour. */
		if (sibling && !removes && lies_there(IN_DIR) != redirected())
			PROBLEM("%s %s: the in-dir lock is%s there\n", site->name, what, redirected() ? " not" : "");
		if (!makes && !removes)
			CHECK(raw_site_rmdir(path) == 0);
		snprintf(label, sizeof label, "%s second", what);
		call(site, &attempt);
		look(path);
		if (makes)
			CHECK(raw_site_rmdir(path) == 0);
		if (lies_there(path) || (sibling && lies_there(IN_DIR)))
			PROBLEM("%s %s: something was left behind\n", site->name, what);
	}
}

static void store(const char *path, const char *content)
{
	/* Not through libc: another one's writing is no reading or writing of this process. */
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

/* A rename onto a path: of something, and of nothing. Where it is the credentials file of which this process has seen
 * less than is there, a `content` that is no newer is dropped, and the answer is the same. */
static void onto(const struct raw_site *site, const char *what, const char *path, const char *content, int refused)
{
	char label[64];
	struct attempt attempt = { .what = label, .at = AT_FDCWD, .path = path, .second = second_of(site->call) };
	for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++) {
		attempt.vector = variants[i].vector;
		attempt.misaligned = variants[i].misaligned;
		attempt.flags = variants[i].flags;
		store(path, OLD);
		CHECK(raw_site_mkdir(SIBLING, 0777) == 0 && raw_site_rmdir(SIBLING) == 0);
		store(path, PRESENT);
		store(attempt.second, content);
		snprintf(label, sizeof label, "onto %s, first", what);
		if (call(site, &attempt) != 0)
			PROBLEM("%s: no success\n", label);
		if (lies_there(attempt.second) || !holds(path, refused && redirected() ? PRESENT : content))
			PROBLEM("%s %s: not what a rename leaves\n", site->name, label);
		snprintf(label, sizeof label, "onto %s, second", what);
		if (call(site, &attempt) != -ENOENT)
			PROBLEM("%s: no error\n", label);
	}
}

static void fails(const struct raw_site *site, const char *what, long at, const char *path)
{
	struct attempt attempt = { .what = what, .at = at, .path = path, .number = usual_number(site->call) };
	attempt.second = second_of(site->call);
	attempt.flags = CARRY | SIGN;
	attempt.misaligned = 8;
	for (int turn = 0; turn < 2; turn++) {
		if (renames(site->call))
			store(attempt.second, "");
		call(site, &attempt);
		attempt.vector = INITIAL;
	}
}

static void failures(const struct raw_site *site)
{
	static char too_long[8192], long_name[600];
	const long unopened = 999;
	memset(too_long, 'l', sizeof too_long - 1);
	for (unsigned at = 0; at < sizeof too_long - 1; at += 200)
		too_long[at] = '/';
	memcpy(too_long + sizeof too_long - 6, "/lock", 5);
	memset(long_name, 'n', sizeof long_name - 1);
	memcpy(long_name + sizeof long_name - 6, ".lock", 5);
	fails(site, "NULL", AT_FDCWD, 0);
	fails(site, "kernel address", AT_FDCWD, (const char *)0xffff888000000000);
	fails(site, "no canonical address", AT_FDCWD, (const char *)0x8000000000000000);
	fails(site, "last address", AT_FDCWD, (const char *)-1);
	fails(site, "first page", AT_FDCWD, (const char *)64);
	fails(site, "empty path", AT_FDCWD, "");
	fails(site, "too long", AT_FDCWD, too_long);
	fails(site, "long name", AT_FDCWD, long_name);
	fails(site, "missing parent", AT_FDCWD, "missing/other.lock");
	fails(site, "file as parent", AT_FDCWD, "file/other.lock");
	fails(site, "loop", AT_FDCWD, "loop.lock/other.lock");
	fails(site, "unopened descriptor", unopened, "relative.lock");
	/* These succeed in part: mkdir answers EEXIST, rmdir ENOTDIR or ENOTEMPTY, rename EISDIR, the others 0. */
	fails(site, "a file", AT_FDCWD, "file.lock");
	fails(site, "a full directory", AT_FDCWD, "directory");
	/* Not to be touched. */
	if (site->call != CALL_UTIMENSAT)
		fails(site, "the root", AT_FDCWD, "/");
	fails(site, "a dot", AT_FDCWD, ".");
	fails(site, "two dots", AT_FDCWD, "directory/..");
}

/* Arguments beside the path that the kernel refuses, on a path of nobody and on a lock. */
static void bad_arguments(const struct raw_site *site, const char *what, const char *path)
{
	static const struct timespec bad_times[2] = { { 1, 2000000000 }, { 1, 2000000000 } };
	char label[64];
	struct attempt attempt = { .what = label, .at = AT_FDCWD, .path = path, .number = usual_number(site->call) };
	attempt.second = second_of(site->call);
	CHECK(raw_site_mkdir(path, 0777) == 0);
	if (site->call == CALL_UNLINKAT || site->call == CALL_UTIMENSAT || site->call == CALL_STATX ||
	    site->call == CALL_RENAMEAT2) {
		snprintf(label, sizeof label, "%s, unknown flags", what);
		attempt.number = 0x40000000;
		call(site, &attempt);
		attempt.number = usual_number(site->call);
		/* A site that loads its flags has removed it. */
		raw_site_rmdir(path);
		CHECK(raw_site_mkdir(path, 0777) == 0);
	}
	if (site->call == CALL_UTIMENSAT) {
		snprintf(label, sizeof label, "%s, bad times", what);
		attempt.second = bad_times;
		call(site, &attempt);
		snprintf(label, sizeof label, "%s, no times", what);
		attempt.second = 0;
		call(site, &attempt);
	}
	if (attempt.second != 0) {
		snprintf(label, sizeof label, "%s, kernel address as second", what);
		attempt.second = (const void *)0xffff888000000000;
		call(site, &attempt);
	}
	CHECK(raw_site_rmdir(path) == 0);
}

/* In other words for the same thing: relative to a descriptor, with slashes, with dots. */
static void other_words(const struct raw_site *site)
{
	int in_home = open(home(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(in_home >= 0);
	if (site->call == CALL_MKDIRAT || site->call == CALL_UNLINKAT || site->call == CALL_UTIMENSAT ||
	    site->call == CALL_STATX)
		for (int exists = 0; exists < 2; exists++) {
			struct attempt attempt = { .what = exists ? "held, by descriptor" : "free, by descriptor",
						   .at = in_home,
						   .path = ".claude.lock",
						   .number = usual_number(site->call),
						   .second = second_of(site->call) };
			if (exists)
				CHECK(raw_site_mkdir(SIBLING, 0777) == 0);
			call(site, &attempt);
			look(SIBLING);
			raw_site_rmdir(SIBLING);
		}
	close(in_home);
	static const char *const suffixes[] = { "/.claude.lock/", "/./.claude.lock", "/.claude/../.claude.lock" };
	for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		struct attempt attempt = { .what = suffixes[i],
					   .at = AT_FDCWD,
					   .path = home(suffixes[i]),
					   .number = usual_number(site->call),
					   .second = second_of(site->call) };
		call(site, &attempt);
		look(SIBLING);
		raw_site_rmdir(SIBLING);
	}
}

/* A jump to the instruction itself, past the patched "mov", makes the plain call. */
static void entered_behind(const struct raw_site *site)
{
	struct attempt attempt = { .what = "entered behind",
				   .at = AT_FDCWD,
				   .path = "missing/other.lock",
				   .number = usual_number(site->call),
				   .second = second_of(site->call),
				   .behind = 1 };
	call(site, &attempt);
}

int main(int count, char **arguments)
{
	CHECK(count == 2);
	alarm(50); /* the watchdog */
	find_components();
	expect_sites(arguments[1]);
	random_state = 0x9e3779b97f4a7c15;
	learn_contract();
	umask(022);
	CHECK(symlink("loop.lock", "loop.lock") == 0);
	sigset_t before, after;
	/* Neither libc nor the kernel writes all of a set. */
	memset(&before, 0, sizeof before);
	memset(&after, 0, sizeof after);
	CHECK(sigprocmask(SIG_BLOCK, 0, &before) == 0);
	char plain[4096], sibling[4096], in_dir[4096], credentials[4096];
	snprintf(plain, sizeof plain, "%s/work/plain", getenv("TEST_ROOT"));
	strcpy(sibling, SIBLING);
	strcpy(in_dir, IN_DIR);
	strcpy(credentials, home("/.claude/.credentials.json"));
	for (const struct raw_site *site = __start_raw_site_list; site < __stop_raw_site_list; site++) {
		if (renames(site->call)) {
			onto(site, "a file", "file", OLD, 0);
			onto(site, "the credentials, newer", credentials, NEWER, 0);
			onto(site, "the credentials, older", credentials, OLD, 1);
			onto(site, "the credentials, blank", credentials, "{}", 1);
		} else {
			on_path(site, "plain", plain, 0);
			on_path(site, "other lock", "other.lock", 0);
			on_path(site, "sibling", sibling, 1);
			on_path(site, "in-dir", in_dir, 0);
			other_words(site);
		}
		failures(site);
		bad_arguments(site, "plain", plain);
		bad_arguments(site, "sibling", sibling);
		entered_behind(site);
	}
	CHECK(sigprocmask(SIG_BLOCK, 0, &after) == 0);
	if (memcmp(&before, &after, sizeof before) != 0)
		PROBLEM("at the end: signal mask has changed\n");
	expect_sites(arguments[1]);
	return problems != 0;
}
