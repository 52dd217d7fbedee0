/* raw_enter: jumps into a site with a processor state of the test's making, and stores the state behind it.
 * Nothing between the loads and the stores changes a flag or a register that is not named. */
#include "raw_sites.h"

#define GENERAL(state, register) state + 8 * register(%rip)

	.text
	.globl raw_enter
	.type raw_enter, @function
raw_enter:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	push %rbp
	.cfi_adjust_cfa_offset 8
	push %r12
	.cfi_adjust_cfa_offset 8
	push %r13
	.cfi_adjust_cfa_offset 8
	push %r14
	.cfi_adjust_cfa_offset 8
	push %r15
	.cfi_adjust_cfa_offset 8
	mov %rsp, kept_stack(%rip)
	mov raw_parts(%rip), %eax
	mov 4 + raw_parts(%rip), %edx
	xrstor64 raw_before + OFFSET_VECTOR(%rip)
	push raw_before + OFFSET_FLAGS(%rip)
	popfq
	mov GENERAL(raw_before, RAX), %rax
	mov GENERAL(raw_before, RCX), %rcx
	mov GENERAL(raw_before, RDX), %rdx
	mov GENERAL(raw_before, RBX), %rbx
	mov GENERAL(raw_before, RSP), %rsp
	mov GENERAL(raw_before, RBP), %rbp
	mov GENERAL(raw_before, RSI), %rsi
	mov GENERAL(raw_before, RDI), %rdi
	mov GENERAL(raw_before, R8), %r8
	mov GENERAL(raw_before, R9), %r9
	mov GENERAL(raw_before, R10), %r10
	mov GENERAL(raw_before, R11), %r11
	mov GENERAL(raw_before, R12), %r12
	mov GENERAL(raw_before, R13), %r13
	mov GENERAL(raw_before, R14), %r14
	mov GENERAL(raw_before, R15), %r15
	jmp *raw_target(%rip)

	.globl raw_captured
raw_captured:
	mov %rax, GENERAL(raw_after, RAX)
	mov %rcx, GENERAL(raw_after, RCX)
	mov %rdx, GENERAL(raw_after, RDX)
	mov %rbx, GENERAL(raw_after, RBX)
	mov %rsp, GENERAL(raw_after, RSP)
	mov %rbp, GENERAL(raw_after, RBP)
	mov %rsi, GENERAL(raw_after, RSI)
	mov %rdi, GENERAL(raw_after, RDI)
	mov %r8, GENERAL(raw_after, R8)
	mov %r9, GENERAL(raw_after, R9)
	mov %r10, GENERAL(raw_after, R10)
	mov %r11, GENERAL(raw_after, R11)
	mov %r12, GENERAL(raw_after, R12)
	mov %r13, GENERAL(raw_after, R13)
	mov %r14, GENERAL(raw_after, R14)
	mov %r15, GENERAL(raw_after, R15)
	mov kept_stack(%rip), %rsp
	pushfq
	pop raw_after + OFFSET_FLAGS(%rip)
	cld
	mov raw_parts(%rip), %eax
	mov 4 + raw_parts(%rip), %edx
	xsave64 raw_after + OFFSET_VECTOR(%rip)
	xrstor64 raw_calm(%rip)
	/* Arithmetic flags are the caller's to lose; the rest goes back to what a C program has. */
	push $0x202
	popfq
	pop %r15
	.cfi_adjust_cfa_offset -8
	pop %r14
	.cfi_adjust_cfa_offset -8
	pop %r13
	.cfi_adjust_cfa_offset -8
	pop %r12
	.cfi_adjust_cfa_offset -8
	pop %rbp
	.cfi_adjust_cfa_offset -8
	pop %rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size raw_enter, . - raw_enter

	.bss
	.balign 64
	.globl raw_before, raw_after, raw_calm, raw_parts, raw_target
raw_before:
	.zero OFFSET_VECTOR + VECTOR_ROOM
	.balign 64
raw_after:
	.zero OFFSET_VECTOR + VECTOR_ROOM
	.balign 64
raw_calm:
	.zero VECTOR_ROOM
raw_parts:
	.zero 8
raw_target:
	.zero 8
kept_stack:
	.zero 8

	.section .note.GNU-stack, "", @progbits
