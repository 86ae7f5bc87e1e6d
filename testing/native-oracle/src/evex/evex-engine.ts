/** Cases on our accelerator, in user mode under the tables of guest-tables.ts, until INT3 or a fault. */
import type { TcgOptions } from "@tsvm/accel-tcg";
import { createInitialState } from "../cpu-state.ts";
import { CODE, DATA, ENVIRONMENTS, INT3, WINDOWS } from "../environment.ts";
import { readTrapFrame } from "../guest-tables.ts";
import { createGuest, type Guest, registersOf } from "../tcg-engine.ts";
import { CASE, ZMM_BYTES, ZMMS } from "./evex-case.ts";
import { MASKS } from "./evex-encoding.ts";

const BUDGET = 1000;
/** An address where no page is. */
const ABSENT = 0x7000_0000n;
const BREAKPOINT = 3;
/** x87, SSE, AVX, and AVX-512's three parts. */
const XCR0 = 0xe7n;
/** In their places in FXSAVE's image, and in AVX's: what of a register has a name of its own. */
const [XMM_BYTES, YMM_BYTES] = [16, 32] as const;

/** What an instruction left, in {@link CASE}'s layout but for `signal`, which is the vector of its exception. */
export class EvexEngine {
  readonly #guest: Guest;
  readonly #base: Readonly<Record<string, bigint>>;

  constructor(options: Partial<TcgOptions> = {}) {
    this.#guest = createGuest(WINDOWS, options);
    const state = createInitialState(ENVIRONMENTS.long, 0, "integer");
    this.#base = { ...registersOf(ENVIRONMENTS.long, state), xcr0: XCR0, rax: BigInt(DATA.address), rflags: 0x202n };
    this.#guest.ram.fill(INT3, CODE.address, CODE.address + CODE.length);
  }

  /** @param memory `absent`: none of it can be accessed. */
  run(input: Uint8Array, memory?: "absent"): Uint8Array {
    const { ram, vm, vcpu, view } = this.#guest;
    const from = new DataView(input.buffer, input.byteOffset, input.length);
    const length = from.getUint32(CASE.length, true);
    ram.set(input.subarray(CASE.code, length), CODE.address);
    ram.fill(INT3, CODE.address + length, CODE.address + CASE.length);
    vm.noteHostWrite(CODE.address, CODE.length);
    ram.set(input.subarray(CASE.memory), DATA.address);
    const rax = memory === undefined ? BigInt(DATA.address) : ABSENT;
    vcpu.restore({ regs: { ...this.#base, rax, rip: BigInt(CODE.address), ...registersIn(from) } });
    const { reason } = vcpu.run(BUDGET);
    const { regs } = vcpu.save();
    const frame = reason === "hlt" ? readTrapFrame(view, regs["rip"] ?? 0n, regs["rsp"] ?? 0n) : undefined;
    if (frame === undefined) throw new Error(`stopped by ${reason}`);
    const output = input.slice();
    const to = new DataView(output.buffer);
    to.setUint32(CASE.signal, frame.vector === BREAKPOINT ? 0 : frame.vector, true);
    to.setUint32(CASE.flags, frame.rflags, true);
    writeRegisters(to, regs);
    output.set(ram.subarray(DATA.address, DATA.address + CASE.memoryBytes), CASE.memory);
    return output;
  }
}

/** A register of VcpuState, and the bytes of a case that it is. */
interface Part {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

const zmm = (i: number): number => CASE.zmm + i * ZMM_BYTES;
const PARTS: readonly Part[] = [
  { name: "mxcsr", at: CASE.mxcsr, bytes: 4 },
  { name: "rcx", at: CASE.rcx, bytes: 8 },
  { name: "rdx", at: CASE.rdx, bytes: 8 },
  ...Array.from({ length: MASKS }, (_, i) => ({ name: `k${i}`, at: CASE.k + i * 8, bytes: 8 })),
  ...Array.from({ length: ZMMS / 2 }, (_, i) => [
    { name: `xmm${i}`, at: zmm(i), bytes: XMM_BYTES },
    { name: `ymm${i}.upper`, at: zmm(i) + XMM_BYTES, bytes: YMM_BYTES - XMM_BYTES },
    { name: `zmm${i}.upper`, at: zmm(i) + YMM_BYTES, bytes: ZMM_BYTES - YMM_BYTES },
    { name: `zmm${i + ZMMS / 2}`, at: zmm(i + ZMMS / 2), bytes: ZMM_BYTES },
  ]).flat(),
];

function registersIn(view: DataView): Record<string, bigint> {
  const registers: Record<string, bigint> = {};
  for (const { name, at, bytes } of PARTS) {
    let value = 0n;
    for (let i = bytes - 4; i >= 0; i -= 4) value = (value << 32n) | BigInt(view.getUint32(at + i, true));
    registers[name] = value;
  }
  return registers;
}

function writeRegisters(view: DataView, registers: Readonly<Record<string, bigint>>): void {
  for (const { name, at, bytes } of PARTS) {
    const value = registers[name] ?? 0n;
    for (let i = 0; i < bytes; i += 4) view.setUint32(at + i, Number((value >> BigInt(8 * i)) & 0xffff_ffffn), true);
  }
}
