// The single-instruction machine with AVX-512 enabled, and an assembler for rows with VEX and EVEX prefixes.
import { parseEncoding } from "../src/decode/encoding.ts";
import type { Row } from "../src/instructions/row.ts";
import { CR4 } from "../src/state/bits.ts";
import { AT } from "../src/state/layout.ts";
import { restoreRegisters } from "../src/state/save.ts";
import { VectorMachine } from "./vector-machine.ts";

/** 64-bit code with all of AVX-512's state enabled. */
export class EvexMachine extends VectorMachine {
  constructor() {
    super();
    this.cpu.setLow("cr4", this.cpu.low("cr4") | CR4.OSXSAVE);
    this.cpu.setLow("xcr0", 0xe7);
  }

  /** All 512 bits of a register, live. */
  zmm(number: number): Uint8Array {
    return this.cpu.u8.subarray(AT.zmm + number * 64, AT.zmm + number * 64 + 64);
  }

  mask(number: number): bigint {
    return this.cpu.get64("opmask", number);
  }

  setMask(number: number, value: bigint): void {
    this.cpu.set64("opmask", value, number);
  }
}

/** Where tests have their data. */
export const DATA = 0x3000;
/** From here on a page is not mapped. */
export const UNMAPPED = 0x6000;
const TABLES = 0x1_0000;

/** The same with paging: memory is mapped where it is, but for one page. */
export class PagedEvexMachine extends EvexMachine {
  constructor() {
    super();
    const view = new DataView(this.ram.buffer, this.ram.byteOffset);
    for (let level = 0; level < 3; level++)
      view.setUint32(TABLES + level * 4096, (TABLES + (level + 1) * 4096) | 7, true);
    for (let page = 0; page < TABLES / 4096; page++) {
      const present = page * 4096 === UNMAPPED ? 0 : 7;
      view.setUint32(TABLES + 3 * 4096 + page * 8, (page * 4096) | present, true);
    }
    const cr4 = BigInt(this.cpu.low("cr4") | CR4.PAE);
    restoreRegisters(this.cpu, { cr0: 0x8000_0011n, cr3: BigInt(TABLES), cr4, efer: 0x500n });
  }

  write(at: number, bytes: Uint8Array): void {
    this.ram.set(bytes, at);
  }

  read(at: number, length: number): Uint8Array {
    return this.ram.subarray(at, at + length);
  }

  read32(at: number): number {
    return new DataView(this.ram.buffer, this.ram.byteOffset).getUint32(at, true);
  }
}

/** What an instruction's bytes say beside its row. */
export interface EvexOperands {
  /** Register numbers; `rm` is memory at [rax] if it is not given. */
  readonly reg?: number;
  readonly vvvv?: number;
  readonly rm?: number;
  readonly immediate?: number;
  readonly mask?: number;
  readonly zeroes?: boolean;
  /** EVEX.b. */
  readonly b?: boolean;
  /** L'L, where EVEX.b is a rounding. */
  readonly rounding?: number;
}

const hex = (bytes: readonly number[]): string =>
  bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join("");
const pp = (prefix: number | undefined): number => ({ 102: 1, 243: 2, 242: 3 })[prefix ?? 0] ?? 0;

/** Bytes of a row with an EVEX prefix, in hex. */
export function encodeEvex(row: Row, operands: EvexOperands): string {
  const parsed = parseEncoding(row);
  const { reg = 0, rm, mask = 0, zeroes = false, b = false, rounding } = operands;
  const vvvv = parsed.usesVvvv ? (operands.vvvv ?? 0) : 0;
  const field = parsed.digit ?? reg;
  const not = (bit: number): number => (bit === 0 ? 1 : 0);
  const p0 =
    (not(field & 8) << 7) |
    (not((rm ?? 0) & 16) << 6) |
    (not((rm ?? 0) & 8) << 5) |
    (not(field & 16) << 4) |
    (parsed.map - 8);
  const p1 = ((parsed.vexW ?? 0) << 7) | ((~vvvv & 15) << 3) | 4 | pp(parsed.prefix);
  const length = rounding ?? parsed.vexL ?? 0;
  const p2 = ((zeroes ? 1 : 0) << 7) | (length << 5) | ((b ? 1 : 0) << 4) | (not(vvvv & 16) << 3) | mask;
  const modrm = (rm === undefined ? 0 : 0xc0 | (rm & 7)) | ((field & 7) << 3);
  const immediate = parsed.immediates.length > 0 ? [operands.immediate ?? 0] : [];
  return hex([0x62, p0, p1, p2, parsed.opcode, modrm, ...immediate]);
}

/** Bytes of a row with a VEX prefix, registers below 8. */
export function encodeVex(row: Row, { reg = 0, rm = 0, immediate = 0, ...more }: EvexOperands): string {
  const parsed = parseEncoding(row);
  const vvvv = parsed.usesVvvv ? (more.vvvv ?? 0) : 0;
  const field = parsed.digit ?? reg;
  const last = ((parsed.vexW ?? 0) << 7) | ((~vvvv & 15) << 3) | ((parsed.vexL ?? 0) << 2) | pp(parsed.prefix);
  const tail = parsed.immediates.length > 0 ? [immediate] : [];
  return hex([0xc4, 0xe0 | (parsed.map - 4), last, parsed.opcode, 0xc0 | (rm & 7) | ((field & 7) << 3), ...tail]);
}

/** Random bytes with edges, 64 of them at a time; the same for a seed. */
export function wideSource(seed: number): () => Uint8Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
  const edges = [0x00, 0x01, 0x3f, 0x7f, 0x80, 0xff];
  return () => Uint8Array.from({ length: 64 }, () => (next() % 3 === 0 ? edges[next() % 6]! : next() & 0xff));
}
