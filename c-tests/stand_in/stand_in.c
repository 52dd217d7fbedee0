/* A stand-in for the library, to test the tests: patches the sites of a table and makes the calls as they are,
 * through stubs that are right, or wrong in one chosen way. A checker that does not notice is no checker.
 *
 * STAND_IN_DEFECT is KIND:NUMBER:
 *   none:0        nothing is wrong
 *   general:N     register N, by its encoding, comes back changed (not 4, the stack pointer)
 *   flag:BIT      that flag comes back inverted
 *   red-zone:N    byte N of the red zone is written
 *   above:N       byte N above the stack pointer is written
 *   x87:BYTE      that byte of the x87 part comes back changed (0 control word, 2 status, 4 tags, 32 st0 …)
 *   mxcsr:BIT     that bit comes back inverted
 *   xmm:N ymm:N   the low, the high half of ymmN comes back changed
 *   zmm:N         the high half of zmmN (N < 16), or zmmN, comes back changed
 *   mask:N        kN comes back changed
 *   unsaved:PART  that part of XSAVE's is not put back
 *   stack:N       the stack pointer comes back N too high
 *   errno:N       errno is set to N
 *   sign:0        failures are answered without their sign
 *   minus-one:0   failures are answered as libc would
 *   twice:0       the call is made twice
 *   loads:0       the instructions behind the "mov" are left out
 *   signals:N     signal N comes back blocked
 *   wide:0        an int is taken from the whole of its register */
#include <cpuid.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw_sites.h"

struct frame {
	uint64_t general[16];
	uint64_t flags;
	uint64_t back;
	unsigned char red_zone[128];
	unsigned char above[256];
};

extern const unsigned char stand_in_common[];
__attribute__((visibility("hidden"))) uint64_t stand_in_area;
__attribute__((visibility("hidden"))) uint32_t stand_in_parts, stand_in_restored;
__attribute__((visibility("hidden"), aligned(64))) unsigned char stand_in_dirt[VECTOR_ROOM];
__attribute__((visibility("hidden"))) void stand_in_serve(struct frame *frame, unsigned char *vector);

static char kind[32];
static int number;
static unsigned offsets[8];

static _Noreturn void fail(const char *why)
{
	fprintf(stderr, "stand-in: %s\n", why);
	_exit(99);
}

static int is(const char *name)
{
	return strcmp(kind, name) == 0;
}

static long make(const uint64_t *general)
{
	long result;
	register uint64_t r10 __asm__("r10") = general[R10];
	register uint64_t r8 __asm__("r8") = general[R8];
	register uint64_t r9 __asm__("r9") = general[R9];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(general[RAX]), "D"(general[RDI]), "S"(general[RSI]), "d"(general[RDX]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* A part that is marked as initial is not read from memory. */
static unsigned char *part(unsigned char *vector, int bit)
{
	if ((stand_in_parts >> bit & 1) == 0)
		fail("this processor has no such part");
	vector[512] |= 1 << bit;
	return vector + offsets[bit];
}

void stand_in_serve(struct frame *frame, unsigned char *vector)
{
	/* The stub keeps the address to go on at behind its last two instructions, which have 14 bytes. */
	uint64_t back;
	memcpy(&back, (const void *)(frame->back + 14), sizeof back);
	int error = errno;
	long result = make(frame->general);
	if (is("twice"))
		result = make(frame->general);
	errno = error;
	if (is("wide") && frame->general[RDI] >> 32 == 0x5a5a5a5a)
		result = -EBADF;
	if (is("sign") && result < 0)
		result = -result;
	if (is("minus-one") && result < 0) {
		errno = (int)-result;
		result = -1;
	}
	if (is("errno"))
		errno = number;
	frame->general[RAX] = (uint64_t)result;
	frame->general[RCX] = back;
	frame->general[R11] = frame->flags;
	if (is("general"))
		frame->general[number] ^= 0x100;
	if (is("flag"))
		frame->flags ^= 1ull << number;
	if (is("red-zone"))
		frame->red_zone[number] ^= 1;
	if (is("above"))
		frame->above[number] ^= 1;
	if (is("x87")) {
		/* From initial values on the whole part would have to be written. */
		if ((vector[512] & 1) != 0)
			vector[number] ^= 1;
	}
	if (is("mxcsr"))
		vector[24 + number / 8] ^= 1 << number % 8;
	if (is("xmm")) {
		if ((vector[512] & 2) != 0)
			vector[160 + 16 * number] ^= 1;
	}
	if (is("ymm"))
		part(vector, 2)[16 * number] ^= 1;
	if (is("zmm") && number < 16)
		part(vector, 6)[32 * number] ^= 1;
	if (is("zmm") && number >= 16)
		part(vector, 7)[64 * (number - 16)] ^= 1;
	if (is("mask"))
		part(vector, 5)[8 * number] ^= 1;
	if (is("signals")) {
		uint64_t mask = 1ull << (number - 1);
		syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &mask, 0, sizeof mask);
	}
}

static void prepare_vectors(void)
{
	unsigned a, b, c, d, low, high;
	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0)
		fail("no XSAVE");
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	stand_in_parts = low & 0xe7;
	stand_in_restored = is("unsaved") ? stand_in_parts & ~(1u << number) : stand_in_parts;
	stand_in_area = 576;
	memset(stand_in_dirt, 0x3c, sizeof stand_in_dirt);
	memset(stand_in_dirt + 512, 0, 64);
	stand_in_dirt[512] = (unsigned char)stand_in_parts;
	const uint32_t usual = 0x1f80;
	memcpy(stand_in_dirt + 24, &usual, 4);
	const uint32_t x87 = 0x037f;
	memcpy(stand_in_dirt, &x87, 4);
	for (int bit = 2; bit < 8; bit++)
		if ((stand_in_parts >> bit & 1) != 0) {
			__cpuid_count(0xd, bit, a, b, c, d);
			offsets[bit] = b;
			if (a + b > stand_in_area)
				stand_in_area = a + b;
		}
	if (stand_in_area > VECTOR_ROOM)
		fail("more state than was thought of");
}

static int find_program(struct dl_phdr_info *info, size_t size, void *found)
{
	(void)size;
	*(uintptr_t *)found = info->dlpi_addr;
	return 1;
}

/* A room for stubs that a jump from the program reaches. */
static unsigned char *room_near(uintptr_t code, size_t length)
{
	for (uintptr_t at = code & ~0xffful; code - at < 0x70000000 && at > length; at -= length) {
		void *room = mmap((void *)(at - length), length, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (room == (void *)(at - length))
			return room;
	}
	fail("no room near the program");
}

static unsigned char *append(unsigned char *to, const void *bytes, size_t length)
{
	memcpy(to, bytes, length);
	return to + length;
}

/* The stub of one site; where the next may begin. */
static unsigned char *write_stub(unsigned char *stub, unsigned char *site, size_t length)
{
	/* lea -128(%rsp), %rsp; call *22(%rip); lea 128(%rsp), %rsp; jmp *(%rip); then both addresses. */
	size_t copied = is("loads") ? 5 : length - 2;
	stub = append(stub, site, copied);
	stub = append(stub, "\x48\x8d\xa4\x24\x80\xff\xff\xff", 8);
	stub = append(stub, "\xff\x15\x16\x00\x00\x00", 6); /* behind the jump and the first address */
	const int32_t step = 128 + (is("stack") ? number : 0);
	stub = append(stub, "\x48\x8d\xa4\x24", 4);
	stub = append(stub, &step, 4);
	stub = append(stub, "\xff\x25\x00\x00\x00\x00", 6);
	const uint64_t back = (uintptr_t)site + length, common = (uintptr_t)stand_in_common;
	stub = append(stub, &back, 8);
	return append(stub, &common, 8);
}

__attribute__((constructor)) static void patch(void)
{
	const char *defect = getenv("STAND_IN_DEFECT"), *table = getenv("STAND_IN_TABLE");
	if (defect == 0 || table == 0 || sscanf(defect, "%31[^:]:%d", kind, &number) != 2)
		fail("wants STAND_IN_DEFECT and STAND_IN_TABLE");
	prepare_vectors();
	uintptr_t base = 0;
	dl_iterate_phdr(find_program, &base);
	FILE *file = fopen(table, "r");
	if (file == 0)
		fail("no table");
	char line[256], code[128];
	unsigned long address;
	unsigned char *stub = 0;
	int patched = 0;
	while (fgets(line, sizeof line, file) != 0) {
		if (sscanf(line, "site %lx %127s", &address, code) != 2)
			continue;
		unsigned char *site = (unsigned char *)(base + address);
		size_t length = strlen(code) / 2;
		if (stub == 0)
			stub = room_near((uintptr_t)site, 65536);
		uintptr_t page = (uintptr_t)site & ~0xffful;
		if (mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
			fail("mprotect");
		const int32_t distance = (int32_t)(stub - (site + 5));
		stub = write_stub(stub, site, length);
		site[0] = 0xe9;
		memcpy(site + 1, &distance, 4);
		patched++;
		mprotect((void *)page, 8192, PROT_READ | PROT_EXEC);
	}
	fclose(file);
	if (patched == 0)
		fail("no site");
}
