/* The sites. Each is a piece of code that is entered by a jump with every register set, and that leaves by a
 * jump to raw_captured; the functions at the end are the same for C. Every piece has its frame description, as
 * compilers write it: `lockspan scan` starts from those. */
#include "raw_sites.h"

#define NUMBER_MKDIR 83
#define NUMBER_MKDIRAT 258
#define NUMBER_RMDIR 84
#define NUMBER_UNLINKAT 263
#define NUMBER_UTIMENSAT 280
#define NUMBER_STATX 332
#define NUMBER_STAT 4
#define NUMBER_LSTAT 6
#define NUMBER_GETPID 39
#define NUMBER_RENAME 82
#define NUMBER_RENAMEAT 264
#define NUMBER_RENAMEAT2 316

#define ALIGNED .balign 16;
#define PIECE(name)                 \
	ALIGNED                     \
	.globl name;                \
	.type name, @function;      \
	name:                       \
	.cfi_startproc

#define PIECE_END(name)             \
	.cfi_endproc;               \
	.size name, . - name

/* One site, its twin without the system call, and its entry in a list. */
#define SITE_IN(list, name, kind, loads...)                                              \
	PIECE(site_##name); mov $NUMBER_##kind, %eax; loads; syscall;                    \
	.globl site_##name##_end; site_##name##_end: jmp raw_captured;                   \
	PIECE_END(site_##name);                                                          \
	PIECE(reference_##name); mov $NUMBER_##kind, %eax; loads; jmp raw_captured;      \
	PIECE_END(reference_##name);                                                     \
	.pushsection .rodata.str1.1, "aMS", @progbits, 1; 9: .asciz #name; .popsection;  \
	.pushsection list, "aw"; .balign 8;                                              \
	.quad 9b, site_##name, site_##name##_end, reference_##name;                      \
	.quad CALL_##kind; .popsection

#define SITE(name, kind, loads...) SITE_IN(raw_site_list, name, kind, loads)

	.text

/* The caller keeps the path in r12, the second pointer (times, buffer, a rename's source) in rbp, and the directory in
 * r13, for the sites that load them.
 * "xor" sets the flags, as it does in real clients: r11 has those. */

	SITE(mkdir_plain, MKDIR,)
	SITE(mkdir_mode, MKDIR, mov $0700, %esi)
	SITE(mkdir_both, MKDIR, mov $0755, %esi; mov %r12, %rdi)
	SITE(mkdir_three, MKDIR, mov %r12, %rdi; mov $0777, %esi; xor %edx, %edx)

	SITE(mkdirat_plain, MKDIRAT,)
	SITE(mkdirat_mode, MKDIRAT, mov $0700, %edx)
	SITE(mkdirat_path, MKDIRAT, mov %r12, %rsi; mov $0750, %edx)
	SITE(mkdirat_all, MKDIRAT, mov %r13, %rdi; mov %r12, %rsi; mov $0777, %edx)

	SITE(rmdir_plain, RMDIR,)
	SITE(rmdir_path, RMDIR, mov %r12, %rdi)
	SITE(rmdir_two, RMDIR, xor %r9d, %r9d; mov %r12, %rdi)
	SITE(rmdir_three, RMDIR, mov $-1, %esi; mov %r12, %rdi; xor %edx, %edx)

	SITE(unlinkat_plain, UNLINKAT,)
	SITE(unlinkat_flags, UNLINKAT, mov $0x200, %edx)
	SITE(unlinkat_path, UNLINKAT, mov %r12, %rsi; mov $0x200, %edx)
	SITE(unlinkat_all, UNLINKAT, mov $0x200, %edx; mov %r12, %rsi; mov %r13, %rdi)

	SITE(utimensat_plain, UTIMENSAT,)
	SITE(utimensat_flags, UTIMENSAT, xor %r10d, %r10d)
	SITE(utimensat_times, UTIMENSAT, mov %rbp, %rdx; xor %r10d, %r10d)
	SITE(utimensat_path, UTIMENSAT, xor %r10d, %r10d; mov %rbp, %rdx; mov %r12, %rsi)

	SITE(statx_plain, STATX,)
	SITE(statx_buffer, STATX, mov %rbp, %r8)
	SITE(statx_mask, STATX, mov $0xfff, %r10d; mov %rbp, %r8)
	SITE(statx_flags, STATX, xor %edx, %edx; mov $0xfff, %r10d; mov %rbp, %r8)

	SITE(stat_plain, STAT,)
	SITE(stat_buffer, STAT, mov %rbp, %rsi)
	SITE(lstat_plain, LSTAT,)
	SITE(lstat_both, LSTAT, mov %r12, %rdi; mov %rbp, %rsi)

	SITE(rename_plain, RENAME,)
	SITE(rename_both, RENAME, mov %rbp, %rdi; mov %r12, %rsi)
	SITE(renameat_plain, RENAMEAT,)
	SITE(renameat_target, RENAMEAT, mov %r12, %r10)
	SITE(renameat_all, RENAMEAT, mov $-100, %rdi; mov %rbp, %rsi; mov %r13, %rdx; mov %r12, %r10)
	SITE(renameat2_plain, RENAMEAT2,)
	SITE(renameat2_all, RENAMEAT2, mov $-100, %rdi; mov %rbp, %rsi; mov %r13, %rdx; mov %r12, %r10; xor %r8d, %r8d)

/* Across the end of a page: within the "mov", which becomes the jump, behind it, and within the "syscall". And on
 * pages of their own: what is done page by page is done several times. */
#define BEFORE_PAGE(distance) .balign 4096; .skip 4096 - (distance), 0x90
#undef ALIGNED
#define ALIGNED

	BEFORE_PAGE(3)
	SITE(mkdir_across, MKDIR,)
	BEFORE_PAGE(5)
	SITE(rmdir_across, RMDIR, mov %r12, %rdi)
	BEFORE_PAGE(9)
	SITE(statx_across, STATX, mov %rbp, %r8)
	BEFORE_PAGE(7)
	SITE(utimensat_last, UTIMENSAT,)
	.balign 4096
	SITE(stat_first, STAT,)
#undef ALIGNED
#define ALIGNED .balign 16;

/* Not in the list, and with a number that no table has. */
	.section .data.rel.ro, "aw"
	.balign 8
	.globl raw_unlisted
	.type raw_unlisted, @object
	.size raw_unlisted, 40
raw_unlisted:
	.text
	SITE_IN(.data.rel.ro, unlisted, GETPID,)

/* The bytes of a site, the last one's, where no code is: a table that names it is wrong. */
	.section .rodata
	.globl raw_data_that_looks_like_a_site
raw_data_that_looks_like_a_site:
	mov $NUMBER_STATX, %eax
	syscall
	.text

/* For C: the fourth argument of a function is in another register than that of a system call. */
#define FUNCTION(name, kind, loads...)                                     \
	PIECE(raw_site_##name); mov %rcx, %r10;                            \
	site_function_##name: mov $NUMBER_##kind, %eax; loads; syscall;    \
	site_function_##name##_end: ret; PIECE_END(raw_site_##name)

	FUNCTION(mkdir, MKDIR,)
	FUNCTION(mkdirat, MKDIRAT,)
	FUNCTION(rmdir, RMDIR,)
	FUNCTION(unlinkat, UNLINKAT,)
	FUNCTION(utimensat, UTIMENSAT,)
	FUNCTION(statx, STATX,)
	FUNCTION(rename, RENAME,)
	FUNCTION(renameat, RENAMEAT,)
	FUNCTION(renameat2, RENAMEAT2,)

	.section .note.GNU-stack, "", @progbits
