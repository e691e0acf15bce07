/* SPDX-License-Identifier: Apache-2.0 */
/*
 * long syscall(long number, ...)
 *
 * The calls that the shim has to know of go through vos_noticed_system_call(),
 * which has the same arguments in the same places; all others leave to the C
 * library as if we were not there, with every register and the stack as they
 * are: what clone() and the like do to the stack must find the caller's.
 */
#include <asm/unistd_64.h>

	.text
	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	endbr64
	cmpl	$__NR_prctl, %edi
	je	vos_noticed_system_call
	cmpl	$__NR_seccomp, %edi
	je	vos_noticed_system_call
	cmpl	$__NR_sigaltstack, %edi
	je	vos_noticed_system_call
	/* The first member: next.syscall. */
	jmp	*vos_next_functions(%rip)
	.cfi_endproc
	.size	syscall, . - syscall

	.hidden	vos_noticed_system_call, vos_next_functions

	.section .note.GNU-stack, "", @progbits
