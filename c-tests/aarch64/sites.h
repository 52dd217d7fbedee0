/* The shape of what sites.S and state.c share. */
#ifndef SITES_H
#define SITES_H

#define OFFSET_X 0
#define OFFSET_SP 248
#define OFFSET_FLAGS 256
#define OFFSET_FPCR 264
#define OFFSET_FPSR 272
#define OFFSET_Q 288
#define STATE_SIZE 800

/* What every site has in x16 before it: the jump into it takes that register. */
#define X16 0x1616aaaa5555f00d

#define NUMBER_MKDIRAT 34
#define NUMBER_UNLINKAT 35
#define NUMBER_UTIMENSAT 88
#define NUMBER_STATX 291
#define NUMBER_RENAMEAT 38
#define NUMBER_RENAMEAT2 276
#define NUMBER_GETPID 172

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/* Everything that a program can see of a processor. */
struct state {
	uint64_t x[31];
	uint64_t sp, flags, fpcr, fpsr, unused;
	unsigned char q[32][16];
};
_Static_assert(offsetof(struct state, sp) == OFFSET_SP, "the assembler knows it");
_Static_assert(offsetof(struct state, flags) == OFFSET_FLAGS, "the assembler knows it");
_Static_assert(offsetof(struct state, fpsr) == OFFSET_FPSR, "the assembler knows it");
_Static_assert(offsetof(struct state, q) == OFFSET_Q, "the assembler knows it");
_Static_assert(sizeof(struct state) == STATE_SIZE, "the assembler knows it");

struct site {
	const char *name;
	/* What to jump to, the "mov w8", and what follows the "svc". */
	const void *entry;
	const uint32_t *start, *end;
	/* To be jumped to, and the same instructions without the "svc". */
	const void *reference_entry;
	const uint32_t *reference;
	/* NUMBER_... */
	uint64_t call;
};
extern const struct site __start_site_list[], __stop_site_list[];
/* Sites that change one register more than the kernel does: each has to be noticed. */
extern const struct site __start_control_list[], __stop_control_list[];

/* enter loads state_before, jumps to state_target, and stores what it finds behind it in state_after. */
extern struct state state_before, state_after;
extern const void *state_target;
void enter(void);

#endif
#endif
