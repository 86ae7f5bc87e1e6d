/**
 * Our accelerator as a vector engine. A vector runs in user mode under the tables of guest-tables.ts until a handler's
 * HLT: the instruction's own exception, or the INT3 behind it, just as on the host.
 */
import { createTcgAccelerator, type TcgOptions } from "@tsvm/accel-tcg";
import type { Clock, InterruptPort, IoPort, Vcpu, Vm } from "@tsvm/contracts";
import { allocateHostMemory } from "@tsvm/memory";
import { type CpuState, FXSAVE, VISIBLE_FLAGS } from "./cpu-state.ts";
import { CODE, type Environment, INT3, SEGMENT_NAMES, WINDOWS, type Window, windowContents } from "./environment.ts";
import { attributesOf, GUEST_RAM_BYTES, readTrapFrame, SYSTEM_REGISTERS, writeGuestTables } from "./guest-tables.ts";
import { interpretTrap } from "./trap.ts";
import {
  type Bytes,
  initialStateOf,
  OVERRIDABLE,
  type VectorEngine,
  type VectorInput,
  type VectorOutcome,
} from "./vector.ts";

/** Instructions a case may take, iterations of REP included; the longest one repeats 65535 times. */
const BUDGET = 200_000;
const GPR_NAMES = OVERRIDABLE.slice(0, 16);

/** Names of x87 and SSE control registers in VcpuState. */
const CONTROL = { mxcsr: "mxcsr", fcw: "fpu.control", fsw: "fpu.status", ftw: "fpu.tag" } as const;

/** What the previous vector's HLT left, and what no vector starts with. */
const RUNNING = { halted: 0n, "interrupt.shadow": 0n, "pending.vector": 0n } as const;

/** A processor and its memory. */
export interface Guest {
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  /** Guest RAM; gpa 0 is at offset 0. */
  readonly ram: Uint8Array;
  readonly view: DataView;
  /** It is power-on again, as far as the clock knows. */
  restartClock(): void;
}

const STOPPED_CLOCK: Clock = { now: () => 0, arm: () => ({ dispose() {} }) };

const NO_INTERRUPTS: InterruptPort = {
  pending: false,
  acknowledge: () => 0,
  nmiPending: false,
  acknowledgeNmi() {},
  tpr: 0,
  readMsr: () => undefined,
  writeMsr: () => false,
  onRaise() {},
};

const NO_IO: IoPort = { in: () => 0xffff_ffff, out() {}, load: (_, dst) => void dst.fill(0xff), store() {} };

/** A vCPU under the tables of guest-tables.ts, with `windows` for user code. */
export function createGuest(
  windows: readonly Window[],
  options: Partial<TcgOptions> = {},
  interrupts: InterruptPort = NO_INTERRUPTS,
  io: IoPort = NO_IO,
): Guest {
  const accelerator = createTcgAccelerator({ cpu: "max", ...options });
  const host = allocateHostMemory({ reservedBytes: accelerator.reservedBytes, ramBytes: GUEST_RAM_BYTES });
  // Time is instructions, so that whoever reads the counter shows how many there were.
  let instructions = (): number => 0;
  let powerOn = 0;
  const vm = accelerator.createVm(host, { ...STOPPED_CLOCK, now: () => instructions() - powerOn });
  vm.setMemorySlot(0, { gpa: 0, length: GUEST_RAM_BYTES, hva: host.ramHva, readOnly: false });
  const view = new DataView(host.memory.buffer, host.ramHva, GUEST_RAM_BYTES);
  writeGuestTables(view, windows);
  const ram = new Uint8Array(host.memory.buffer, host.ramHva, GUEST_RAM_BYTES);
  const vcpu = vm.createVcpu(0, interrupts, io);
  instructions = () => vcpu.instructionCount;
  const restartClock = (): void => {
    powerOn = vcpu.instructionCount;
  };
  return { vm, vcpu, ram, view, restartClock };
}

/** A window with what it holds between vectors and at the start of the current one. */
export interface WindowCopy {
  readonly window: Window;
  readonly pristine: Uint8Array;
  readonly before: Uint8Array;
}

/** A fresh guest that runs one vector after the other; nothing of a vector is left for the next. */
export function createTcgEngine(options: Partial<TcgOptions> = {}): VectorEngine {
  const guest = createGuest(WINDOWS, options);
  const copies = WINDOWS.filter(({ executable }) => !executable).map((window): WindowCopy => {
    const pristine = windowContents(window);
    return { window, pristine, before: pristine.slice() };
  });
  guest.ram.fill(INT3, CODE.address, CODE.address + CODE.length);
  return { name: options.heatLimit === 1 ? "regions" : "tcg", run: (input) => runVector(guest, copies, input) };
}

function runVector(guest: Guest, copies: readonly WindowCopy[], input: VectorInput): VectorOutcome {
  const { ram, vm, vcpu } = guest;
  for (const { window, pristine } of copies) ram.set(pristine, window.address);
  for (const { address, bytes } of input.patches) patchMapped(ram, address, bytes);
  ram.set(input.code, input.codeAddress);
  vm.noteHostWrite(CODE.address, CODE.length);
  for (const { window, before } of copies) before.set(ram.subarray(window.address, window.address + window.length));
  try {
    vcpu.restore({ regs: registersOf(input.environment, initialStateOf(input)) });
    const exit = vcpu.run(BUDGET);
    if (exit.reason !== "hlt") throw new Error(`stopped by ${exit.reason}: ${vcpu.describe().split("\n")[0]}`);
    return outcomeOf(guest, input, changedRuns(ram, copies));
  } finally {
    ram.fill(INT3, input.codeAddress, input.codeAddress + input.code.length);
  }
}

/** Patches may hang over into unmapped memory; the host's harness drops those, so do we. */
export function patchMapped(
  ram: Uint8Array,
  address: number,
  bytes: Uint8Array,
  windows: readonly Window[] = WINDOWS,
): void {
  const inside = windows.some(
    (window) => address >= window.address && address + bytes.length <= window.address + window.length,
  );
  if (inside) ram.set(bytes, address);
}

/** What changed in windows since their `before`. */
export function changedRuns(ram: Uint8Array, copies: readonly WindowCopy[]): readonly Bytes[] {
  const runs: Bytes[] = [];
  for (const { window, before } of copies) {
    const now = ram.subarray(window.address, window.address + window.length);
    if (Buffer.compare(now, before) === 0) continue;
    for (let i = 0; i < now.length; i++) {
      if (now[i] === before[i]) continue;
      let end = i;
      while (end < now.length && now[end] !== before[end]) end++;
      runs.push({ address: window.address + i, bytes: now.slice(i, end) });
      i = end;
    }
  }
  return runs;
}

const segmentRegisters = new Map<Environment, Readonly<Record<string, bigint>>>();

function segmentsOf(environment: Environment): Readonly<Record<string, bigint>> {
  const known = segmentRegisters.get(environment);
  if (known) return known;
  const registers: Record<string, bigint> = {};
  for (const name of SEGMENT_NAMES) {
    const segment = environment.segments[name];
    registers[`${name}.selector`] = BigInt(segment.selector);
    registers[`${name}.base`] = BigInt(segment.base);
    registers[`${name}.limit`] = BigInt(segment.limit);
    registers[`${name}.attributes`] = BigInt(attributesOf(segment));
  }
  registers["fs.base"] = environment.fsBase;
  registers["gs.base"] = environment.gsBase;
  segmentRegisters.set(environment, registers);
  return registers;
}

/** All of `state`, by the names of VcpuState. */
export function registersOf(environment: Environment, state: CpuState): Record<string, bigint> {
  const registers: Record<string, bigint> = { ...SYSTEM_REGISTERS, ...RUNNING, ...segmentsOf(environment) };
  for (const [i, name] of GPR_NAMES.entries()) registers[name] = state.gpr[i] ?? 0n;
  registers["rip"] = state.rip;
  registers["halted"] = 0n;
  registers["rflags"] = BigInt(state.rflags);
  const image = new DataView(state.fxsave.buffer);
  registers[CONTROL.mxcsr] = BigInt(image.getUint32(FXSAVE.mxcsr, true));
  registers[CONTROL.fcw] = BigInt(image.getUint16(FXSAVE.fcw, true));
  registers[CONTROL.fsw] = BigInt(image.getUint16(FXSAVE.fsw, true));
  registers[CONTROL.ftw] = BigInt(image.getUint8(FXSAVE.ftw));
  const top = topOf(image);
  for (let i = 0; i < 8; i++) registers[`st${(top + i) & 7}`] = readWide(image, FXSAVE.st + i * 16, 16);
  for (let i = 0; i < 16; i++) {
    registers[`xmm${i}`] = readWide(image, FXSAVE.xmm + i * 16, 64);
    registers[`ymm${i}.upper`] = readWide(image, FXSAVE.ymm + i * 16, 64);
  }
  return registers;
}

/** TOP of the status word: saved state names physical registers, FXSAVE counts from the top. */
function topOf(image: DataView): number {
  return (image.getUint16(FXSAVE.fsw, true) >> 11) & 7;
}

/** A number of 64 bits and `upperBits` more. */
function readWide(image: DataView, offset: number, upperBits: 16 | 64): bigint {
  const upper = upperBits === 16 ? BigInt(image.getUint16(offset + 8, true)) : image.getBigUint64(offset + 8, true);
  return (upper << 64n) | image.getBigUint64(offset, true);
}

function outcomeOf({ vcpu, view }: Guest, input: VectorInput, writes: readonly Bytes[]): VectorOutcome {
  const { regs } = vcpu.save();
  const register = (name: string): bigint => regs[name] ?? 0n;
  const frame = readTrapFrame(view, register("rip"), register("rsp"));
  if (!frame) throw new Error(`halted outside a handler at ${register("rip").toString(16)}`);
  const state = stateOf(input.environment, register);
  state.rip = frame.rip;
  state.rflags = (frame.rflags & VISIBLE_FLAGS) | 2;
  state.gpr[4] = input.environment.codeBits === 64 ? frame.rsp : frame.rsp & 0xffff_ffffn;
  state.selectors[SEGMENT_NAMES.indexOf("cs")] = frame.cs;
  state.selectors[SEGMENT_NAMES.indexOf("ss")] = frame.ss;
  return interpretTrap(
    input,
    { vector: frame.vector, errorCode: frame.errorCode, cr2: register("cr2") },
    state,
    writes,
  );
}

/** The user-visible state in registers of VcpuState; rip and rflags stay 0. */
export function stateOf({ codeBits }: Environment, register: (name: string) => bigint): CpuState {
  const gpr = new BigUint64Array(16);
  // As recorded: outside 64-bit code the upper halves and r8..r15 are not architectural.
  const count = codeBits === 64 ? 16 : 8;
  for (let i = 0; i < count; i++) gpr[i] = BigInt.asUintN(codeBits === 64 ? 64 : 32, register(GPR_NAMES[i] ?? ""));
  const fxsave = new Uint8Array(FXSAVE.length);
  const image = new DataView(fxsave.buffer);
  image.setUint32(FXSAVE.mxcsr, Number(register(CONTROL.mxcsr)), true);
  image.setUint16(FXSAVE.fcw, Number(register(CONTROL.fcw)), true);
  image.setUint16(FXSAVE.fsw, Number(register(CONTROL.fsw)), true);
  image.setUint8(FXSAVE.ftw, Number(register(CONTROL.ftw)));
  const top = topOf(image);
  for (let i = 0; i < 8; i++) writeWide(image, FXSAVE.st + i * 16, register(`st${(top + i) & 7}`), 16);
  for (let i = 0; i < 16; i++) {
    writeWide(image, FXSAVE.xmm + i * 16, register(`xmm${i}`), 64);
    writeWide(image, FXSAVE.ymm + i * 16, register(`ymm${i}.upper`), 64);
  }
  return {
    gpr,
    rip: 0n,
    rflags: 0,
    selectors: Uint16Array.from(SEGMENT_NAMES, (name) => Number(register(`${name}.selector`))),
    fsBase: register("fs.base"),
    gsBase: register("gs.base"),
    fxsave,
  };
}

function writeWide(image: DataView, offset: number, value: bigint, upperBits: 16 | 64): void {
  image.setBigUint64(offset, BigInt.asUintN(64, value), true);
  if (upperBits === 16) image.setUint16(offset + 8, Number(value >> 64n), true);
  else image.setBigUint64(offset + 8, value >> 64n, true);
}
