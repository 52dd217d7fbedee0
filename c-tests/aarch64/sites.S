/* Sites as compilers make them, and what enters them with every register set and stores every register behind them.
 * x19 has the directory, x20 the path, and x21 the second pointer (times, buffer, a rename's source), for the sites that
 * load them. */
#include "sites.h"

	.text
	.balign 8
x16_value:
	.quad X16

/* One piece of code, its twin without the system call, and its entry in a list. "after" comes behind the svc. */
	.macro piece list, label, name, number, loads, after
	.balign 16
entry_\label:
	ldr x16, x16_value
\label:
	mov w8, #\number
	\loads
	svc #0
\label\()_end:
	\after
	b captured
	.balign 16
reference_entry_\label:
	ldr x16, x16_value
reference_\label:
	mov w8, #\number
	\loads
	b captured
	.pushsection .rodata.str1.1, "aMS", %progbits, 1
name_\label:
	.asciz "\name"
	.popsection
	.pushsection \list, "aw"
	.balign 8
	.quad name_\label, entry_\label, \label, \label\()_end
	.quad reference_entry_\label, reference_\label, \number
	.popsection
	.endm

/* lib/sites_table finds sites by the prefix. */
	.macro site name, number, loads
	piece site_list, site_\name, \name, \number, "\loads"
	.endm
	.macro control name, after
	piece control_list, control_\name, \name, NUMBER_GETPID, , "\after"
	.endm

	site mkdirat_plain, NUMBER_MKDIRAT
	site mkdirat_mode, NUMBER_MKDIRAT, "mov w2, #0777"
	site mkdirat_path, NUMBER_MKDIRAT, "mov x1, x20; mov w2, #0750"
	site mkdirat_all, NUMBER_MKDIRAT, "mov x0, x19; mov x1, x20; mov w2, #0777"

	site unlinkat_plain, NUMBER_UNLINKAT
	site unlinkat_flags, NUMBER_UNLINKAT, "mov w2, #0x200"
	site unlinkat_all, NUMBER_UNLINKAT, "mov w2, #0x200; mov x1, x20; mov x0, x19"

	site utimensat_plain, NUMBER_UTIMENSAT
	site utimensat_flags, NUMBER_UTIMENSAT, "mov w3, wzr"
	site utimensat_all, NUMBER_UTIMENSAT, "mov x0, x19; mov x1, x20; mov x2, x21; mov w3, wzr"

	site statx_plain, NUMBER_STATX
	site statx_buffer, NUMBER_STATX, "mov x4, x21"
	site statx_mask, NUMBER_STATX, "mov w2, wzr; mov w3, #0xfff; mov x4, x21"

	site renameat_plain, NUMBER_RENAMEAT
	site renameat_target, NUMBER_RENAMEAT, "mov x3, x20"
	site renameat_all, NUMBER_RENAMEAT, "mov w0, #-100; mov x1, x21; mov x2, x19; mov x3, x20"

	site renameat2_plain, NUMBER_RENAMEAT2
	site renameat2_all, NUMBER_RENAMEAT2, "mov w0, #-100; mov x1, x21; mov x2, x19; mov x3, x20; mov w4, wzr"

	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	control x\n, "add x\n, x\n, #1"
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	control q\n, "mvn v\n\().16b, v\n\().16b"
	.endr
	control sp, "sub sp, sp, #16"
	control nzcv, "ccmp xzr, #0, #10, al"
	control fpcr, "msr fpcr, xzr"
	control fpsr, "msr fpsr, xzr"

	.macro vectors instruction, base
	\instruction q0, q1, [\base, #OFFSET_Q]
	\instruction q2, q3, [\base, #OFFSET_Q + 32]
	\instruction q4, q5, [\base, #OFFSET_Q + 64]
	\instruction q6, q7, [\base, #OFFSET_Q + 96]
	\instruction q8, q9, [\base, #OFFSET_Q + 128]
	\instruction q10, q11, [\base, #OFFSET_Q + 160]
	\instruction q12, q13, [\base, #OFFSET_Q + 192]
	\instruction q14, q15, [\base, #OFFSET_Q + 224]
	\instruction q16, q17, [\base, #OFFSET_Q + 256]
	\instruction q18, q19, [\base, #OFFSET_Q + 288]
	\instruction q20, q21, [\base, #OFFSET_Q + 320]
	\instruction q22, q23, [\base, #OFFSET_Q + 352]
	\instruction q24, q25, [\base, #OFFSET_Q + 384]
	\instruction q26, q27, [\base, #OFFSET_Q + 416]
	\instruction q28, q29, [\base, #OFFSET_Q + 448]
	\instruction q30, q31, [\base, #OFFSET_Q + 480]
	.endm

	.macro address register, symbol
	adrp \register, \symbol
	add \register, \register, :lo12:\symbol
	.endm

	.globl enter
	.type enter, %function
enter:
	stp x29, x30, [sp, #-160]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	address x16, kept
	mov x0, sp
	mrs x1, fpcr
	/* The platform's register: nobody's on Linux, but then somebody's own. */
	stp x0, x1, [x16]
	str x18, [x16, #16]
	address x16, state_before
	vectors ldp, x16
	ldp x0, x1, [x16, #OFFSET_SP]
	mov sp, x0
	msr nzcv, x1
	ldp x0, x1, [x16, #OFFSET_FPCR]
	msr fpcr, x0
	msr fpsr, x1
	ldp x0, x1, [x16]
	ldp x2, x3, [x16, #16]
	ldp x4, x5, [x16, #32]
	ldp x6, x7, [x16, #48]
	ldp x8, x9, [x16, #64]
	ldp x10, x11, [x16, #80]
	ldp x12, x13, [x16, #96]
	ldp x14, x15, [x16, #112]
	ldr x17, [x16, #136]
	ldp x18, x19, [x16, #144]
	ldp x20, x21, [x16, #160]
	ldp x22, x23, [x16, #176]
	ldp x24, x25, [x16, #192]
	ldp x26, x27, [x16, #208]
	ldp x28, x29, [x16, #224]
	ldr x30, [x16, #240]
	adrp x16, state_target
	ldr x16, [x16, :lo12:state_target]
	br x16

captured:
	/* Below the stack pointer nothing is anybody's. */
	str x16, [sp, #-16]!
	address x16, state_after
	stp x0, x1, [x16]
	stp x2, x3, [x16, #16]
	stp x4, x5, [x16, #32]
	stp x6, x7, [x16, #48]
	stp x8, x9, [x16, #64]
	stp x10, x11, [x16, #80]
	stp x12, x13, [x16, #96]
	stp x14, x15, [x16, #112]
	str x17, [x16, #136]
	stp x18, x19, [x16, #144]
	stp x20, x21, [x16, #160]
	stp x22, x23, [x16, #176]
	stp x24, x25, [x16, #192]
	stp x26, x27, [x16, #208]
	stp x28, x29, [x16, #224]
	ldr x0, [sp], #16
	str x0, [x16, #128]
	str x30, [x16, #240]
	mov x0, sp
	mrs x1, nzcv
	stp x0, x1, [x16, #OFFSET_SP]
	mrs x0, fpcr
	mrs x1, fpsr
	stp x0, x1, [x16, #OFFSET_FPCR]
	vectors stp, x16
	address x16, kept
	ldp x0, x1, [x16]
	mov sp, x0
	msr fpcr, x1
	ldr x18, [x16, #16]
	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	ldp x29, x30, [sp], #160
	ret
	.size enter, . - enter

/* The library calls this one: a function may change all these, so that whatever is not saved around it shows. */
	.globl strlen
	.type strlen, %function
strlen:
	mov x9, x0
0:
	ldrb w10, [x9], #1
	cbnz w10, 0b
	sub x0, x9, x0
	sub x0, x0, #1
	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
	mov x\n, #0xbad
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	movi v\n\().16b, #0xba
	.endr
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	mov v\n\().d[1], x1
	.endr
	msr fpsr, x1
	cmp x1, x1
	ret
	.size strlen, . - strlen

	.bss
	.balign 16
	.globl state_before, state_after, state_target
state_before:
	.zero STATE_SIZE
state_after:
	.zero STATE_SIZE
kept:
	.zero 24
state_target:
	.zero 8

	.section .note.GNU-stack, "", %progbits
