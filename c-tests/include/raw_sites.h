/* Programs that make system calls by instructions of their own, in the shape that the library can patch:
 * "mov eax,NUMBER", plain register loads, "syscall" (harness/raw_sites.S). Their table is written by
 * lib/sites_table from the symbols site_NAME and site_NAME_end. Also read by the assembler. */
#ifndef RAW_SITES_H
#define RAW_SITES_H

/* What a site calls: kinds, so that the tables below are short. */
#define CALL_MKDIR 0
#define CALL_MKDIRAT 1
#define CALL_RMDIR 2
#define CALL_UNLINKAT 3
#define CALL_UTIMENSAT 4
#define CALL_STATX 5
#define CALL_STAT 6
#define CALL_LSTAT 7
/* A call that no table has: what the kernel itself leaves in rcx and r11. */
#define CALL_GETPID 8
#define CALL_RENAME 9
#define CALL_RENAMEAT 10
#define CALL_RENAMEAT2 11

/* General registers, in the order of their encoding. */
#define RAX 0
#define RCX 1
#define RDX 2
#define RBX 3
#define RSP 4
#define RBP 5
#define RSI 6
#define RDI 7
#define R8 8
#define R9 9
#define R10 10
#define R11 11
#define R12 12
#define R13 13
#define R14 14
#define R15 15

/* The layout of struct raw_state. */
#define OFFSET_FLAGS 128
#define OFFSET_VECTOR 192
#define VECTOR_ROOM 12288

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/* Everything that a program can see of a processor. */
struct raw_state {
	uint64_t general[16];
	uint64_t flags;
	uint64_t unused[7];
	/* As XSAVE writes it, in its standard form. */
	unsigned char vector[VECTOR_ROOM] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct raw_state, flags) == OFFSET_FLAGS, "the assembler knows it");
_Static_assert(offsetof(struct raw_state, vector) == OFFSET_VECTOR, "the assembler knows it");

struct raw_site {
	const char *name;
	/* The first byte of the "mov eax", and what follows the "syscall". */
	const unsigned char *start, *end;
	/* The same instructions without the "syscall". */
	const unsigned char *reference;
	/* CALL_... */
	uint64_t call;
};
extern const struct raw_site __start_raw_site_list[], __stop_raw_site_list[];
/* A getpid in the same shape, in no list. */
extern const struct raw_site raw_unlisted;

/* raw_enter loads raw_before, jumps to raw_target, and stores what it finds behind it in raw_after. Which parts
 * of the vector state is raw_parts; raw_calm is what the C program goes on with. */
extern struct raw_state raw_before, raw_after;
extern unsigned char raw_calm[VECTOR_ROOM];
extern uint64_t raw_parts;
extern const void *raw_target;
void raw_enter(void);
/* Where the sites jump to at their end. */
extern const unsigned char raw_captured[];

/* Functions whose system call is a site: what any thread can call. They answer as the kernel does. */
long raw_site_mkdir(const char *path, long mode);
long raw_site_mkdirat(long at, const char *path, long mode);
long raw_site_rmdir(const char *path);
long raw_site_unlinkat(long at, const char *path, long flags);
long raw_site_utimensat(long at, const char *path, const void *times, long flags);
long raw_site_statx(long at, const char *path, long flags, long mask, void *buffer);
long raw_site_rename(const char *from, const char *to);
long raw_site_renameat(long from_at, const char *from, long to_at, const char *to);
long raw_site_renameat2(long from_at, const char *from, long to_at, const char *to, long flags);

#endif
#endif
