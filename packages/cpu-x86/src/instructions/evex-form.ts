// What is said of an instruction with an EVEX prefix beside its operands: the step that computes, and how masks, broadcasts
// and roundings are put around it. SDM vol. 2A, "Intel AVX-512 Encoding".
import type { Row } from "./row.ts";

/** A field of a decoded record that names a vector register. */
export type RegisterField = "reg" | "vvvv" | "rm";

/** How an instruction is put together of steps, each of which is a record with a handler of its own. */
export interface EvexForm {
  /**
   * 'vector': computed in parts, then merged under the mask into the destination; 'mask': computed in parts, of which the
   * signs go into a mask register; 'plain': one step, without masks; 'gather', 'scatter': one helper.
   */
  readonly kind: "vector" | "mask" | "plain" | "gather" | "scatter";
  /** The row that does the same without mask, broadcast and rounding: with VEX, on all of the operands. */
  readonly base?: Row;
  /** The row whose register form computes one part; none: the result is the source. */
  readonly step?: Row;
  /** Bits of the vectors; 128 for scalars. */
  readonly length: 128 | 256 | 512;
  /** Steps of up to 256 bits that the vectors are computed in. */
  readonly parts: 1 | 2;
  /** Bytes from a part of an operand to the next one. */
  readonly strides: Readonly<Record<RegisterField, number>>;
  /** Bits of the immediate that are a part's own. */
  readonly immediateBits: number;
  /** Where the result goes. */
  readonly destination: RegisterField;
  /** Bytes of the whole result. */
  readonly resultBytes: number;
  /** Bytes of what one mask bit is about, in the result. */
  readonly element: 1 | 2 | 4 | 8;
  /** Only the lowest element is computed. */
  readonly scalar: boolean;
  /** Whether there may be, or must be, a mask; 'merges': without zeroing. */
  readonly masking: "any" | "merges" | "none" | "needed";
  /** Bytes of the element that EVEX.b broadcasts from memory; 0: there is none. */
  readonly broadcast: 0 | 2 | 4 | 8;
  /** Bytes of the memory operand without EVEX.b; disp8 counts in them. */
  readonly memoryBytes: number;
  /** Bytes that a memory operand is broadcast from, whatever EVEX.b says; 0: it is as long as the vector, or shorter. */
  readonly spread: number;
  /** What EVEX.b says between registers. */
  readonly rounding?: "er" | "sae";
  /** Elements of memory that are masked off do not fault. */
  readonly suppresses: boolean;
  /** Steps may set flags in MXCSR and raise #XM: nothing is written before all are done. */
  readonly float: boolean;
  /** The destination is a source, too. */
  readonly readsDestination: boolean;
  /** What stays where the mask is clear. */
  readonly kept: "destination" | "vvvv";
  /** All parts can be written where they belong at once: no source is read at another place later. */
  readonly inPlace: boolean;
  /** The memory operand must be aligned to its size. */
  readonly aligned: boolean;
  /** Memory holds as many elements as the mask has bits, side by side. */
  readonly compressed: boolean;
}
