/**
 * Execution mode bits: what decoding and generated code may depend on besides the bytes. Part of the key of decoded code.
 */
export const MODE = {
  /** Bits 0-1: default operand size of code: 0 = 16-bit, 1 = 32-bit, 2 = 64-bit. */
  codeSizeMask: 3,
  code16: 0,
  code32: 1,
  code64: 2,
  /** SS.B: stack addresses are 32-bit (outside 64-bit mode). */
  stack32: 4,
  /** CS DS ES SS have base 0, limit 4 GiB and the usual types: addresses need neither base nor limit (32-bit code). */
  flat: 8,
  /** CR0.PE is clear, or RFLAGS.VM is set: selectors are paragraph numbers. */
  realAddressing: 16,
  /** Control flow is enforced (CET) at some privilege: near transfers have rows of their own, SYSCALL and IRET are helpers. */
  enforced: 32,
  /** The next instruction has to be ENDBRANCH. */
  awaitsEndbranch: 64,
} as const;

/** Modes are below this. */
export const MODE_LIMIT = 128;
