// The decoded-instruction record: what the decoder writes and interpreter handlers read.
//
// Invariants:
// 1. Register fields hold byte offsets into the register file the operand names (gpr, zmm, fpr), or plain numbers for
//    segment, control and debug registers.
// 2. An instruction whose address needs a segment base, a limit check or 16-bit arithmetic is preceded by an address
//    record that leaves the linear address in `effectiveAddress`; both carry the same page offset.
// 3. An instruction with an EVEX prefix is as many records as it has steps; one with VEX is followed by a record that clears
//    the upper part of its destination, where AVX-512 is enabled. The first record tells how many follow.
// 4. What is counted of jumps has the places of fields that jumps do not have; handlers are looked at for that as they are made.
// 5. An immediate of more than 32 bits, whose upper half is in the displacement's place, never meets a displacement.
// 6. The displacement of a rip-relative address, and the immediate of a relative branch, count from the start of the
//    page, with `pageRip` as base.

/** Bytes of one record: two to a cache line, for code that is executed now and then is waited for. */
export const RECORD_BYTES = 32;

/** Records of one instruction at most. */
export const MAX_RECORDS = 16;

/** In place of a record's address, of an access that a bad address makes #SS: of the stack, whatever the memory operand's segment. */
export const STACK_ACCESS = -1;

/** Byte offsets in a record. */
export const RECORD = {
  /** u16: handler number. */
  handler: 0,
  /** u8: log2 of the index scale. */
  scale: 2,
  /** u8: segment register of the memory operand (SEGMENT). */
  segment: 3,
  /** u16: register of ModRM.reg, or of the opcode. */
  reg: 4,
  /** u16, indirect jumps only: how often the target was another one than the time before, up to 65535. */
  changes: 4,
  /** i32, address records only: what is added to bits 63:32 of the address. */
  addressHigh: 4,
  /** u16: register of ModRM.rm. */
  rm: 6,
  /** u16 each: offsets of base and index in the general register file. */
  base: 8,
  index: 10,
  /** u32, conditional branches only: how often one was not taken. */
  passed: 8,
  /** u16: offset of the instruction in its page. */
  pageOffset: 12,
  /** u8: length in bytes. */
  length: 14,
  /** u8: how many instructions of the run stand before this one; address records count with their instruction. */
  ordinal: 15,
  /** i32: immediate, sign-extended. */
  immediate: 16,
  /** i64: the same. */
  wideImmediate: 16,
  /** i32: displacement. */
  displacement: 20,
  /**
   * u32: in branches within the page the record jumped to, 0: not known yet. In other near jumps the low half of the rip
   * jumped to last.
   */
  target: 24,
  /** u16, address records only: the bytes accessed. */
  accessSize: 24,
  /** u16: register of VEX.vvvv. */
  vvvv: 24,
  /** u16, x87 only: the 11 bits of opcode and ModRM that FNSTENV saves. */
  x87Opcode: 24,
  /** u8, in the first record of an instruction that is no branch: how many records follow. */
  following: 27,
  /** u32: how often a block was entered here. Where a region is entered: its slot in bits 31:16, and in 15:0 what it is given. */
  heat: 28,
} as const;
