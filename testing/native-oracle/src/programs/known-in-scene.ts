/** Why QEMU may differ, told by what was around the first fault that does, or by the program's end where none does. */
import { FXSAVE } from "../cpu-state.ts";
import { opcodeIndex, SEGMENT_PREFIX } from "../prefixes.ts";
import { PAGE_FAULT } from "../trap.ts";
import { initialStateOf } from "../vector.ts";
import type { FaultScene } from "./fault-scene.ts";
import { modeOf } from "./mode.ts";
import { PTE } from "./page-edit.ts";
import { inputOf, type Program } from "./program.ts";
import type { LoggedFault } from "./resume-handler.ts";

const GENERAL_PROTECTION = 13;
/** Bits of its error code. SDM vol. 3A, "Page-Fault Exception (#PF)". */
const PF = { write: 2, user: 4, fetch: 0x10 } as const;
const NX = 1n << 63n;
/** Stack fault: it stays set. SDM vol. 1, "x87 FPU Status Register". */
const STATUS_SF = 0x40;
/** Bits 51:40, which MAXPHYADDR of no machine here reaches. */
const RESERVED = 0xfffn << 40n;
const CMPS: ReadonlySet<number> = new Set([0xa6, 0xa7]);
/** Bytes of its largest operand. */
const OPERAND_BYTES = 8n;
const ADDRESS_SIZE = 0x67;
const OPERAND_SIZE = 0x66;
const IRET = 0xcf;
/** Byte of IRETD's frame that has VM in it, and VM there. SDM vol. 2A, "IRET/IRETD/IRETQ". */
const FRAME_VM = { at: 10, bit: 2 } as const;
/** Names of segments by their prefixes. */
const SEGMENT_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(SEGMENT_PREFIX).map(([name, prefix]) => [prefix, name]),
);

/**
 * Programs that go astray write page tables they have no business with, and drop no translation. SDM vol. 3A, "Invalidation of TLBs and
 * Paging-Structure Caches", has either. Seeds 1130511303 and 1132701882.
 */
export const STALE_TRANSLATIONS =
  "entries of page tables were changed without INVLPG or a load of CR3: processors may go on with either";

/**
 * Programs for QEMU have no x87 instructions, but what is executed may be no program. SDM vol. 1, "Stack Overflow or Underflow Exception (#IS)": an
 * integer indefinite where FIST finds nothing. Seed 1133711671, a NOP that a store made DBh.
 */
const EMPTY_REGISTER =
  "QEMU looks at no tags of x87 registers: an instruction of random bytes used an empty one, or pushed onto a full one";

/** CMPS is left out of programs, but what is executed may be no program. Seed 1132701745. */
const ORDER_OF_CMPS = "CMPS reads its operands in the order that makers like: CR2 tells where neither is present";

/**
 * SDM vol. 2A, "IRET/IRETD/IRETQ": only IRETD at CPL 0, and not in IA-32e mode, goes there. An AMD EPYC has #GP for a null CS in front of such an
 * image, and passes over VM where CS is code. Seed 1133810580.
 */
const VIRTUAL_BY_ANYONE =
  "QEMU enters virtual-8086 mode by any IRETD whose image of EFLAGS has VM; the manual has it at CPL 0 only, and not in long mode";

/** Why QEMU's x87 goes another way. @param regs ours, where QEMU differs first or at the end */
export function knownOfStack(program: Program, regs: FaultScene["regs"]): string | undefined {
  const { fxsave } = initialStateOf(inputOf(program));
  const [before, now] = [fxsave[FXSAVE.fsw] ?? 0, Number(regs["fpu.status"] ?? 0n)];
  return (now & ~before & STATUS_SF) !== 0 ? EMPTY_REGISTER : undefined;
}

/** Undefined where one of both is wrong and it is not known to be QEMU. @param qemu its fault at the same place in the log */
export function knownInScene(
  qemu: LoggedFault | undefined,
  ours: LoggedFault,
  scene: FaultScene,
  program: Program,
): string | undefined {
  const reason = knownOfStack(program, scene.regs);
  if (reason !== undefined) return reason;
  if (ours.vector === GENERAL_PROTECTION) return isIretToVirtual(scene, program) ? VIRTUAL_BY_ANYONE : undefined;
  if (ours.vector !== PAGE_FAULT) return undefined;
  if (qemu?.rip !== ours.rip) return hadAccess(ours, scene) ? STALE_TRANSLATIONS : undefined;
  return qemu.vector === PAGE_FAULT &&
    qemu.errorCode === ours.errorCode &&
    areOperandsOfCmps(ours, qemu, scene, program)
    ? ORDER_OF_CMPS
    : undefined;
}

/** Whether IRETD outside 64-bit code has an image with VM that may not be obeyed. */
function isIretToVirtual({ regs, code, stack }: FaultScene, program: Program): boolean {
  const { codeBits } = program.environment;
  const { long, paragraphs } = modeOf(program);
  if (codeBits === 64 || paragraphs !== undefined || (!long && ((regs["cs.selector"] ?? 0n) & 3n) === 0n)) return false;
  const at = opcodeIndex(code, false);
  const isWide = code.subarray(0, Math.max(at, 0)).includes(OPERAND_SIZE) !== (codeBits === 32);
  return code[at] === IRET && isWide && ((stack[FRAME_VM.at] ?? 0) & FRAME_VM.bit) !== 0;
}

/** Whether by an entry that the page had, and that nothing has dropped, there would have been no fault. */
function hadAccess({ errorCode }: LoggedFault, { entries }: FaultScene): boolean {
  const needed = BigInt(
    PTE.P | PTE.A | ((errorCode & PF.write) !== 0 ? PTE.RW : 0) | ((errorCode & PF.user) !== 0 ? PTE.US : 0),
  );
  const forbidden = RESERVED | ((errorCode & PF.fetch) !== 0 ? NX : 0n);
  return entries.slice(0, -1).some((entry) => (entry & needed) === needed && (entry & forbidden) === 0n);
}

/** Whether CR2 is in the first operand of CMPS here, which rSI is at, and there in the second, at rDI. */
function areOperandsOfCmps(
  ours: LoggedFault,
  qemu: LoggedFault,
  { regs, code }: FaultScene,
  { environment: { codeBits } }: Program,
): boolean {
  const at = opcodeIndex(code, codeBits === 64);
  if (!CMPS.has(code[at] ?? 0)) return false;
  const prefixes = [...code.subarray(0, at)];
  const overridden = prefixes.includes(ADDRESS_SIZE);
  const bits = codeBits === 64 ? (overridden ? 32 : 64) : (codeBits === 32) === overridden ? 16 : 32;
  const segment = SEGMENT_OF.get(prefixes.findLast((each) => SEGMENT_OF.has(each)) ?? 0) ?? "ds";
  const linear = (register: string, base: string): bigint =>
    BigInt.asUintN(
      codeBits === 64 ? 64 : 32,
      BigInt.asUintN(bits, regs[register] ?? 0n) +
        (codeBits === 64 && base !== "fs" && base !== "gs" ? 0n : (regs[`${base}.base`] ?? 0n)),
    );
  const isIn = (cr2: bigint, start: bigint): boolean => cr2 >= start && cr2 < start + OPERAND_BYTES;
  return isIn(ours.cr2, linear("rsi", segment)) && isIn(qemu.cr2, linear("rdi", "es"));
}
