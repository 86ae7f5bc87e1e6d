// Vector registers and MXCSR for tests of SSE instructions, on top of the single-instruction machine.
import { CR4 } from "../src/state/bits.ts";
import { AT } from "../src/state/layout.ts";
import { InsnMachine } from "./insn-machine.ts";

/** MXCSR after reset: all exceptions masked, none seen, round to nearest. */
export const MXCSR_DEFAULT = 0x1f80;

/** 64-bit code in which SSE is enabled, with #XM. */
export class VectorMachine extends InsnMachine {
  constructor() {
    super(64);
    this.cpu.setLow("cr4", CR4.OSFXSR | CR4.OSXMMEXCPT);
    this.mxcsr = MXCSR_DEFAULT;
  }

  get mxcsr(): number {
    return this.cpu.get32("mxcsr");
  }

  set mxcsr(value: number) {
    this.cpu.set32("mxcsr", value);
  }

  /** The low 128 bits of a vector register, live. */
  xmm(number: number): Uint8Array {
    return this.cpu.u8.subarray(AT.zmm + number * 64, AT.zmm + number * 64 + 16);
  }

  /** Runs an instruction on XMM0 (destination) and XMM1 (source). @returns XMM0 afterwards, copied. */
  apply(hex: string, x: Uint8Array, y: Uint8Array): Uint8Array {
    this.xmm(0).set(x);
    this.xmm(1).set(y);
    this.run(hex);
    return this.xmm(0).slice();
  }

  /** Runs a packed single instruction on XMM0 and XMM1. */
  singles(hex: string, x: readonly number[], y: readonly number[]): number[] {
    return [...new Float32Array(this.apply(hex, bytesOf(Float32Array.from(x)), bytesOf(Float32Array.from(y))).buffer)];
  }

  /** Runs a packed double instruction on XMM0 and XMM1. */
  doubles(hex: string, x: readonly number[], y: readonly number[]): number[] {
    return [...new Float64Array(this.apply(hex, bytesOf(Float64Array.from(x)), bytesOf(Float64Array.from(y))).buffer)];
  }
}

/** The bytes of a typed array. */
export const bytesOf = ({ buffer }: Float32Array | Float64Array): Uint8Array => new Uint8Array(buffer);

/** Bytes with edges (0, 1, 7f, 80, ff) more often than chance has them; the same for the same seed. */
export function vectorSource(seed: number): () => Uint8Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
  const edges = [0x00, 0x01, 0x7f, 0x80, 0xff];
  return () => Uint8Array.from({ length: 16 }, () => (next() % 3 === 0 ? edges[next() % 5]! : next() & 0xff));
}
