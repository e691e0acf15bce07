/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies from and to memory of the program, whose pointers may be bad.
 *
 * [vos_copy_start, vos_copy_end) is registered with VOS_CALL_COPY_RANGE: a
 * fault inside resumes at vos_copy_abort. So nothing between the labels may
 * touch the stack, call, or change a register that the caller preserves: at
 * every instruction the return address is on top of the stack.
 *
 * As Linux copies: rep movsb for what is not short, where the processor says
 * that it is fast (ERMS), see ChooseCopy(); else through general registers.
 * What has no ERMS is old, or an emulator, to which vectors are expensive.
 */
	.text

	.globl	vos_copy_start, vos_copy_end, vos_copy_abort
	.hidden	vos_copy_start, vos_copy_end, vos_copy_abort
	.globl	vos_guarded_copy, vos_guarded_probe, vos_copy_string_bytes
	.hidden	vos_guarded_copy, vos_guarded_probe, vos_copy_string_bytes

	.balign	64
vos_copy_start:

/*
 * long vos_guarded_copy(void *to, const void *from, size_t bytes)
 * 0, or -EFAULT with an unknown part copied. The areas don't overlap.
 */
	.type	vos_guarded_copy, @function
vos_guarded_copy:
	.cfi_startproc
	endbr64
	xorl	%eax, %eax
	cmpq	$16, %rdx
	jb	.Lbelow_16
	cmpq	$64, %rdx
	jbe	.Llast_64
	cmpq	vos_copy_string_bytes(%rip), %rdx
	jae	.Lstring

.Lloop_64:
	movq	(%rsi), %rcx
	movq	8(%rsi), %r8
	movq	16(%rsi), %r9
	movq	24(%rsi), %r10
	movq	%rcx, (%rdi)
	movq	%r8, 8(%rdi)
	movq	%r9, 16(%rdi)
	movq	%r10, 24(%rdi)
	movq	32(%rsi), %rcx
	movq	40(%rsi), %r8
	movq	48(%rsi), %r9
	movq	56(%rsi), %r10
	movq	%rcx, 32(%rdi)
	movq	%r8, 40(%rdi)
	movq	%r9, 48(%rdi)
	movq	%r10, 56(%rdi)
	addq	$64, %rsi
	addq	$64, %rdi
	subq	$64, %rdx
	cmpq	$64, %rdx
	ja	.Lloop_64
	/* 1..64 bytes are left and at least 64 lie behind: finish with the last 64, overlapping. */
	leaq	-64(%rsi,%rdx), %rsi
	leaq	-64(%rdi,%rdx), %rdi
	movl	$64, %edx

.Llast_64:					/* 16..64: first, last, and between them if need be */
	movq	(%rsi), %rcx
	movq	8(%rsi), %r8
	movq	-16(%rsi,%rdx), %r9
	movq	-8(%rsi,%rdx), %r10
	movq	%rcx, (%rdi)
	movq	%r8, 8(%rdi)
	movq	%r9, -16(%rdi,%rdx)
	movq	%r10, -8(%rdi,%rdx)
	cmpq	$32, %rdx
	jbe	.Ldone
	movq	16(%rsi), %rcx
	movq	24(%rsi), %r8
	movq	-32(%rsi,%rdx), %r9
	movq	-24(%rsi,%rdx), %r10
	movq	%rcx, 16(%rdi)
	movq	%r8, 24(%rdi)
	movq	%r9, -32(%rdi,%rdx)
	movq	%r10, -24(%rdi,%rdx)
.Ldone:
	ret

.Lstring:
	movq	%rdx, %rcx
	rep movsb
	ret

.Lbelow_16:
	cmpq	$8, %rdx
	jae	.Llast_15
	cmpq	$4, %rdx
	jae	.Llast_7
	testq	%rdx, %rdx
	je	.Ldone
	movzbl	(%rsi), %ecx			/* 1..3: first, middle, last */
	movq	%rdx, %r8
	shrq	$1, %r8
	movzbl	(%rsi,%r8), %r9d
	movzbl	-1(%rsi,%rdx), %r10d
	movb	%cl, (%rdi)
	movb	%r9b, (%rdi,%r8)
	movb	%r10b, -1(%rdi,%rdx)
	ret
.Llast_15:
	movq	(%rsi), %rcx
	movq	-8(%rsi,%rdx), %r8
	movq	%rcx, (%rdi)
	movq	%r8, -8(%rdi,%rdx)
	ret
.Llast_7:
	movl	(%rsi), %ecx
	movl	-4(%rsi,%rdx), %r8d
	movl	%ecx, (%rdi)
	movl	%r8d, -4(%rdi,%rdx)
	ret
	.cfi_endproc
	.size	vos_guarded_copy, . - vos_guarded_copy

/*
 * long vos_guarded_probe(void *byte)
 * 0 if it can be written, else -EFAULT. Atomic, so that what other threads
 * store there meanwhile is not undone.
 */
	.type	vos_guarded_probe, @function
vos_guarded_probe:
	.cfi_startproc
	endbr64
	xorl	%eax, %eax
	lock orb $0, (%rdi)
	ret
	.cfi_endproc
	.size	vos_guarded_probe, . - vos_guarded_probe

vos_copy_end:

	.type	vos_copy_abort, @function
vos_copy_abort:
	.cfi_startproc
	movq	$-14, %rax			/* -EFAULT */
	ret
	.cfi_endproc
	.size	vos_copy_abort, . - vos_copy_abort

	.data
	.balign	8
	.type	vos_copy_string_bytes, @object
vos_copy_string_bytes:
	.quad	-1
	.size	vos_copy_string_bytes, . - vos_copy_string_bytes

	.section .note.GNU-stack, "", @progbits
