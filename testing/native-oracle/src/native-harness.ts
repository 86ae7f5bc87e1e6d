/**
 * Puts cases through native/oracle.c. Linux on x86-64 with gcc and FSGSBASE; needed to record only.
 *
 * Stream in: descriptor, window and case counts (u32 each); LDT entries as Linux's `struct user_desc`; windows as
 * address, length, protection, 0 and contents; how programs go on behind faults (fault limit, code address and length,
 * slot length, u32 each; all 0 for single instructions); cases as a state (see encodeState) and its patches (address,
 * length, bytes). Stream out, per case: CR2 (u64), signal, trap number, error code, number of faults (u32 each), state,
 * changed runs, faults (CR2, rip, vector, error code).
 */
import { spawnSync } from "node:child_process";
import { type CpuState, FXSAVE, VISIBLE_FLAGS } from "./cpu-state.ts";
import { LOCAL_DESCRIPTORS, type Segment, WINDOWS, type Window, windowContents } from "./environment.ts";
import { compileNative } from "./native-program.ts";
import { interpretTrap, PAGE_FAULT } from "./trap.ts";
import { type Bytes, initialStateOf, type VectorException, type VectorInput, type VectorOutcome } from "./vector.ts";

const FXSAVE_BYTES = 512;
const FXSAVE_AT = 176;
const YMM_AT = FXSAVE_AT + FXSAVE_BYTES;
/** gpr, rip, rflags, FS and GS base, six selectors, patch count, FXSAVE image, upper halves of YMM. */
const STATE_BYTES = YMM_AT + 256;
const TRAP_BYTES = 8 + 4 * 4;
/** CR2, rip, vector and error code. */
const FAULT_BYTES = 8 + 8 + 4 + 4;
const SIGALRM = 14;
const SIGSYS = 31;
const PROT = { read: 1, write: 2, execute: 4 } as const;
/** First address that is the kernel's: Linux hides what really happened there. */
const TASK_SIZE = 1n << 47n;
/** Mask of MXCSR bits; the kernel's frame keeps MXCSR_MASK next to it, which is not ours to compare. */
const NOT_COMPARED = { start: 5, end: 24, maskStart: 28, maskEnd: 32 } as const;

/** How a program goes on behind a fault: at the slot of code after it. */
export interface Resumption {
  /** Linear address and length of the slots, a whole number of them. */
  readonly codeAddress: number;
  readonly codeLength: number;
  /** At most 64; the next fault ends the program. */
  readonly faultLimit: number;
  readonly slotBytes: number;
}

const NO_RESUMPTION: Resumption = { codeAddress: 0, codeLength: 0, faultLimit: 0, slotBytes: 0 };

/** A fault that a program went on from. */
export interface ResumedFault extends VectorException {
  readonly rip: bigint;
}

/** What a program left, and the faults on its way. The last exception, INT3 as a rule, is in `exception`. */
export interface ProgramOutcome extends VectorOutcome {
  readonly exception: VectorException;
  readonly faults: readonly ResumedFault[];
}

/** What the harness reports of one case. */
interface RawOutcome {
  readonly trap: Trap;
  readonly state: CpuState;
  readonly writes: readonly Bytes[];
  readonly faults: readonly ResumedFault[];
}

/** Runs every input on the host's CPU; undefined where the result says nothing about the CPU. Order is kept. */
export function runOnHost(inputs: readonly VectorInput[]): readonly (VectorOutcome | undefined)[] {
  const raw = runHarness(inputs, WINDOWS, undefined);
  return raw.map((outcome, i) => judge(inputs[i] as VectorInput, outcome));
}

/**
 * Runs whole programs on the host's CPU in windows of their own; undefined where one took too long, called the kernel, or met
 * an address that is the kernel's. `code` of an input is all its code from `codeAddress` on.
 */
export function runProgramsOnHost(
  inputs: readonly VectorInput[],
  windows: readonly Window[],
  resumption: Resumption,
): readonly (ProgramOutcome | undefined)[] {
  return runHarness(inputs, windows, resumption).map(({ trap, state, writes, faults }) => {
    const { signal, vector, errorCode, cr2 } = trap;
    const hidden = faults.some((fault) => fault.cr2 >= TASK_SIZE);
    if (signal === SIGALRM || signal === SIGSYS || hidden) return undefined;
    return { exception: { vector, errorCode, cr2: vector === PAGE_FAULT ? cr2 : 0n }, state, writes, faults };
  });
}

function runHarness(
  inputs: readonly VectorInput[],
  windows: readonly Window[],
  resumption: Resumption | undefined,
): readonly RawOutcome[] {
  const { status, signal, stdout, stderr } = spawnSync(compileNative("oracle"), {
    input: encodeRequest(inputs, windows, resumption),
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`oracle ended with ${signal ?? status}: ${stderr}`);
  return decodeResponse(inputs, stdout);
}

function encodeRequest(
  inputs: readonly VectorInput[],
  windows: readonly Window[],
  resumption: Resumption | undefined,
): Buffer {
  const counts = Buffer.from(Uint32Array.of(LOCAL_DESCRIPTORS.length, windows.length, inputs.length).buffer);
  const { faultLimit, codeAddress, codeLength, slotBytes } = resumption ?? NO_RESUMPTION;
  return Buffer.concat([
    counts,
    ...LOCAL_DESCRIPTORS.map(encodeDescriptor),
    ...windows.flatMap(encodeWindow),
    Buffer.from(Uint32Array.of(faultLimit, codeAddress, codeLength, slotBytes).buffer),
    ...inputs.flatMap(encodeCase),
  ]);
}

/** `struct user_desc` of <asm/ldt.h>. */
function encodeDescriptor({ base, limit, code, wide }: Segment, index: number): Buffer {
  const inPages = limit > 0xfffff;
  const contents = code ? 2 : 0;
  const flags = (wide ? 1 : 0) | (contents << 1) | ((inPages ? 1 : 0) << 4) | (1 << 6);
  return Buffer.from(Uint32Array.of(index, base, inPages ? Math.floor(limit / 4096) : limit, flags).buffer);
}

function encodeWindow(window: Window): Buffer[] {
  const protection = PROT.read | (window.writable ? PROT.write : 0) | (window.executable ? PROT.execute : 0);
  const header = Buffer.from(Uint32Array.of(window.address, window.length, protection, 0).buffer);
  return [header, Buffer.from(windowContents(window))];
}

function encodeCase(input: VectorInput): Buffer[] {
  const patches: readonly Bytes[] = [{ address: input.codeAddress, bytes: input.code }, ...input.patches];
  const state = encodeState(initialStateOf(input), patches.length);
  return [
    state,
    ...patches.flatMap(({ address, bytes }) => [
      Buffer.from(Uint32Array.of(address, bytes.length).buffer),
      Buffer.from(bytes),
    ]),
  ];
}

function encodeState(state: CpuState, patchCount: number): Buffer {
  const buffer = Buffer.alloc(STATE_BYTES);
  state.gpr.forEach((value, i) => {
    buffer.writeBigUInt64LE(value, i * 8);
  });
  buffer.writeBigUInt64LE(state.rip, 128);
  buffer.writeBigUInt64LE(BigInt(state.rflags), 136);
  // With a selector the descriptor gives the base; without one the harness writes these.
  buffer.writeBigUInt64LE(state.fsBase, 144);
  buffer.writeBigUInt64LE(state.gsBase, 152);
  state.selectors.forEach((selector, i) => {
    buffer.writeUInt16LE(selector, 160 + i * 2);
  });
  buffer.writeUInt32LE(patchCount, 172);
  buffer.set(state.fxsave.subarray(0, FXSAVE.ymm), FXSAVE_AT);
  buffer.set(state.fxsave.subarray(FXSAVE.ymm), YMM_AT);
  return buffer;
}

function decodeResponse(inputs: readonly VectorInput[], response: Buffer): readonly RawOutcome[] {
  let at = 0;
  return inputs.map((input) => {
    const trap = {
      cr2: response.readBigUInt64LE(at),
      signal: response.readUInt32LE(at + 8),
      vector: response.readUInt32LE(at + 12),
      errorCode: response.readUInt32LE(at + 16),
    };
    const faultCount = response.readUInt32LE(at + 20);
    at += TRAP_BYTES;
    const state = decodeState(response.subarray(at, at + STATE_BYTES), input);
    let runs = response.readUInt32LE(at + 172);
    at += STATE_BYTES;
    const writes: Bytes[] = [];
    for (; runs > 0; runs--) {
      const address = response.readUInt32LE(at);
      const length = response.readUInt32LE(at + 4);
      writes.push({ address, bytes: Uint8Array.from(response.subarray(at + 8, at + 8 + length)) });
      at += 8 + length;
    }
    const faults = Array.from({ length: faultCount }, (_, i) => decodeFault(response, at + i * FAULT_BYTES));
    at += faultCount * FAULT_BYTES;
    return { trap, state, writes, faults };
  });
}

function decodeFault(response: Buffer, at: number): ResumedFault {
  const vector = response.readUInt32LE(at + 16);
  return {
    vector,
    errorCode: response.readUInt32LE(at + 20),
    cr2: vector === PAGE_FAULT ? response.readBigUInt64LE(at) : 0n,
    rip: response.readBigUInt64LE(at + 8),
  };
}

function decodeState(bytes: Buffer, { environment }: VectorInput): CpuState {
  const wide = environment.codeBits === 64;
  const gpr = new BigUint64Array(16);
  // Outside 64-bit code the upper halves and r8..r15 are not architectural.
  for (let i = 0; i < (wide ? 16 : 8); i++) gpr[i] = BigInt.asUintN(wide ? 64 : 32, bytes.readBigUInt64LE(i * 8));
  const fxsave = new Uint8Array(FXSAVE.length);
  fxsave.set(bytes.subarray(FXSAVE_AT, FXSAVE_AT + FXSAVE.ymm));
  fxsave.set(bytes.subarray(YMM_AT, STATE_BYTES), FXSAVE.ymm);
  // Last instruction and operand of the x87 differ between makers, the MXCSR mask is the kernel's.
  fxsave.fill(0, NOT_COMPARED.start, NOT_COMPARED.end).fill(0, NOT_COMPARED.maskStart, NOT_COMPARED.maskEnd);
  for (let i = 0; i < 8; i++) fxsave.fill(0, FXSAVE.st + i * 16 + 10, FXSAVE.st + i * 16 + 16);
  return {
    gpr,
    rip: bytes.readBigUInt64LE(128),
    rflags: (Number(bytes.readBigUInt64LE(136)) & VISIBLE_FLAGS) | 2,
    selectors: Uint16Array.from({ length: 6 }, (_, i) => bytes.readUInt16LE(160 + i * 2)),
    fsBase: bytes.readBigUInt64LE(144),
    gsBase: bytes.readBigUInt64LE(152),
    fxsave,
  };
}

interface Trap extends VectorException {
  readonly signal: number;
}

/** Undefined when the result says nothing about the CPU: it ran on, or Linux hid what happened. */
function judge(input: VectorInput, { trap, state, writes }: RawOutcome): VectorOutcome | undefined {
  if (trap.signal === SIGALRM) return undefined;
  const outcome = interpretTrap(input, trap, state, writes);
  return outcome.exception && outcome.exception.cr2 >= TASK_SIZE ? undefined : outcome;
}
