/* What every stub of the stand-in calls: saves the program's state, lets stand_in_serve answer, puts the state
 * back. The stub has stepped over the red zone. */
	.text
	.globl stand_in_common
	.hidden stand_in_common
	.type stand_in_common, @function
stand_in_common:
	pushfq
	cld
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rdi
	push %rsi
	push %rbp
	push $0
	push %rbx
	push %rdx
	push %rcx
	push %rax
	mov %rsp, %rbx
	sub stand_in_area(%rip), %rsp
	and $-64, %rsp
	xor %eax, %eax
	lea 512(%rsp), %rdi
	mov $8, %ecx
	rep stosq
	mov stand_in_parts(%rip), %eax
	xor %edx, %edx
	xsave64 (%rsp)
	mov %rbx, %rdi
	mov %rsp, %rsi
	call stand_in_serve
	/* Whatever was not saved shows: every register that can be is made dirty first. */
	mov stand_in_parts(%rip), %eax
	xor %edx, %edx
	xrstor64 stand_in_dirt(%rip)
	mov stand_in_restored(%rip), %eax
	xrstor64 (%rsp)
	mov %rbx, %rsp
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	lea 8(%rsp), %rsp
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	popfq
	ret
	.size stand_in_common, . - stand_in_common

	.section .note.GNU-stack, "", @progbits
