// Registers by the names that saved state uses (see VcpuState in contracts): where each is and how wide.
import type { Msr } from "../msr/define.ts";
import { savedMsrs } from "../msr/table.ts";
import type { Cpu } from "./cpu.ts";
import { AT, ELEMENT_SIZE, type FieldName, GPR, SEGMENT } from "./layout.ts";

/** One register of saved state. */
export interface NamedRegister {
  readonly name: string;
  /** Bits; values above are refused. */
  readonly width: number;
  read(cpu: Cpu): bigint;
  write(cpu: Cpu, value: bigint): void;
}

function field64(name: string, field: FieldName, index = 0): NamedRegister {
  return {
    name,
    width: 64,
    read: (cpu) => cpu.get64(field, index),
    write: (cpu, value) => cpu.set64(field, value, index),
  };
}

function field32(name: string, field: FieldName, width: number, index = 0): NamedRegister {
  return {
    name,
    width,
    read: (cpu) => BigInt(cpu.get32(field, index)),
    write: (cpu, value) => cpu.set32(field, Number(value), index),
  };
}

/** A register of up to 16 bytes that lies in memory as a little-endian number. */
function wide(name: string, field: "zmm" | "fpr", index: number, width: 80 | 128): NamedRegister {
  const at = AT[field] + index * ELEMENT_SIZE[field];
  const high = BigInt(width - 64);
  return {
    name,
    width,
    read: ({ view }) =>
      view.getBigUint64(at, true) | (BigInt.asUintN(width - 64, view.getBigUint64(at + 8, true)) << 64n),
    write: ({ view }, value) => {
      view.setBigUint64(at, BigInt.asUintN(64, value), true);
      view.setBigUint64(at + 8, (value >> 64n) & ((1n << high) - 1n), true);
    },
  };
}

/** Bits 255:128 of a YMM register; the lower ones are the XMM register. */
function upperYmm(index: number): NamedRegister {
  const at = AT.zmm + index * ELEMENT_SIZE.zmm + 16;
  return {
    name: `ymm${index}.upper`,
    width: 128,
    read: ({ view }) => view.getBigUint64(at, true) | (view.getBigUint64(at + 8, true) << 64n),
    write: ({ view }, value) => {
      view.setBigUint64(at, BigInt.asUintN(64, value), true);
      view.setBigUint64(at + 8, value >> 64n, true);
    },
  };
}

/** A register, or a part of one, of `bytes` bytes at `at`, as a little-endian number. */
function bytesAt(name: string, at: number, bytes: number): NamedRegister {
  return {
    name,
    width: bytes * 8,
    read: ({ view }) => {
      let value = 0n;
      for (let i = bytes - 8; i >= 0; i -= 8) value = (value << 64n) | view.getBigUint64(at + i, true);
      return value;
    },
    write: ({ view }, value) => {
      for (let i = 0; i < bytes; i += 8) view.setBigUint64(at + i, BigInt.asUintN(64, value >> BigInt(8 * i)), true);
    },
  };
}

/** AVX-512: what the registers of SSE and AVX lack, the further ones, and the masks. */
const wideVectors: readonly NamedRegister[] = [
  ...Array.from({ length: 16 }, (_, i) => bytesAt(`zmm${i}.upper`, AT.zmm + i * ELEMENT_SIZE.zmm + 32, 32)),
  ...Array.from({ length: 16 }, (_, i) => bytesAt(`zmm${i + 16}`, AT.zmm + (i + 16) * ELEMENT_SIZE.zmm, 64)),
  ...Array.from({ length: 8 }, (_, i) => bytesAt(`k${i}`, AT.opmask + i * 8, 8)),
];

const GPR_NAMES = Object.entries(GPR).filter(([, number]) => number < 16);
const SEGMENT_NAMES = Object.entries(SEGMENT).filter(([, number]) => number <= SEGMENT.tr);

/** Selectors and attributes before bases and limits: derived fields follow when all are loaded. */
const segments = SEGMENT_NAMES.flatMap(([name, i]) => [
  field32(`${name}.selector`, "segSelector", 16, i),
  field64(`${name}.base`, "segBase", i),
  field32(`${name}.limit`, "segLimit", 32, i),
  field32(`${name}.attributes`, "segAttributes", 17, i),
]);

const rflags: NamedRegister = {
  name: "rflags",
  width: 32,
  read: (cpu) => BigInt(cpu.rflags),
  write: (cpu, value) => {
    cpu.rflags = Number(value);
  },
};

const cr8: NamedRegister = {
  name: "cr8",
  width: 4,
  read: (cpu) => BigInt(cpu.host.taskPriority),
  write: (cpu, value) => {
    cpu.host.taskPriority = Number(value);
  },
};

const msrField = (msr: Msr): NamedRegister => ({
  name: `msr.${msr.index.toString(16)}`,
  width: 64,
  read: (cpu) => msr.read(cpu) ?? 0n,
  // Loaded as it was saved: the checks of WRMSR were made then, and its side effects are not wanted again.
  write: (cpu, value) => void msr.restore?.(cpu, value),
});

/** In the order in which they are saved and restored. */
export const namedRegisters: readonly NamedRegister[] = [
  ...GPR_NAMES.map(([name, number]) => field64(name, "gpr", number)),
  field64("rip", "rip"),
  rflags,
  ...segments,
  field64("gdtr.base", "gdtrBase"),
  field32("gdtr.limit", "gdtrLimit", 16),
  field64("idtr.base", "idtrBase"),
  field32("idtr.limit", "idtrLimit", 16),
  field64("cr0", "cr0"),
  field64("cr2", "cr2"),
  field64("cr3", "cr3"),
  field64("cr4", "cr4"),
  cr8,
  field64("efer", "efer"),
  field64("xcr0", "xcr0"),
  field32("pkru", "pkru", 32),
  field64("ssp", "ssp"),
  ...[0, 1, 2, 3, 6, 7].map((i) => field64(`dr${i}`, "dr", i)),
  field32("fpu.control", "fpuControl", 16),
  field32("fpu.status", "fpuStatus", 16),
  field32("fpu.tag", "fpuTag", 8),
  field32("fpu.opcode", "fpuOpcode", 11),
  field64("fpu.ip", "fpuIp"),
  field64("fpu.dp", "fpuDp"),
  field32("fpu.cs", "fpuCs", 16),
  field32("fpu.ds", "fpuDs", 16),
  // Physical registers, not relative to TOP.
  ...Array.from({ length: 8 }, (_, i) => wide(`st${i}`, "fpr", i, 80)),
  field32("mxcsr", "mxcsr", 32),
  ...Array.from({ length: 16 }, (_, i) => wide(`xmm${i}`, "zmm", i, 128)),
  ...Array.from({ length: 16 }, (_, i) => upperYmm(i)),
  ...wideVectors,
  field32("halted", "halted", 1),
  field32("nmi.blocked", "nmiBlocked", 1),
  field32("interrupt.shadow", "interruptShadow", 2),
  field32("pending.vector", "pendingVector", 8),
  field32("pending.error", "pendingErrorCode", 32),
  field64("pending.address", "pendingAddress"),
  ...savedMsrs.map(msrField),
];
