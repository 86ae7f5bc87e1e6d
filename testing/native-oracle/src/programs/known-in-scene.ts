/** Why QEMU may differ, told by what was around the first fault that does. */
import { opcodeIndex } from "../prefixes.ts";
import { PAGE_FAULT } from "../trap.ts";
import type { FaultScene } from "./fault-scene.ts";
import { modeOf } from "./mode.ts";
import { PTE } from "./page-edit.ts";
import type { Program } from "./program.ts";
import type { LoggedFault } from "./resume-handler.ts";

const GENERAL_PROTECTION = 13;
/** Bits of its error code. SDM vol. 3A, "Page-Fault Exception (#PF)". */
const PF = { write: 2, user: 4, fetch: 0x10 } as const;
const NX = 1n << 63n;
/** Bits 51:40, which MAXPHYADDR of no machine here reaches. */
const RESERVED = 0xfffn << 40n;
const OPERAND_SIZE = 0x66;
const IRET = 0xcf;
/** Byte of IRETD's frame that has VM in it, and VM there. SDM vol. 2A, "IRET/IRETD/IRETQ". */
const FRAME_VM = { at: 10, bit: 2 } as const;

/**
 * Programs that go astray write page tables they have no business with, and drop no translation. SDM vol. 3A, "Invalidation of TLBs and
 * Paging-Structure Caches", has either. Seeds 1130511303 and 1132701882.
 */
export const STALE_TRANSLATIONS =
  "entries of page tables were changed without INVLPG or a load of CR3: processors may go on with either";

/**
 * SDM vol. 2A, "IRET/IRETD/IRETQ": only IRETD at CPL 0, and not in IA-32e mode, goes there. An AMD EPYC has #GP for a null CS in front of such an
 * image, and passes over VM where CS is code. Seed 1133810580.
 */
const VIRTUAL_BY_ANYONE =
  "QEMU enters virtual-8086 mode by any IRETD whose image of EFLAGS has VM; the manual has it at CPL 0 only, and not in long mode";

/** Undefined where one of both is wrong and it is not known to be QEMU. @param qemu its fault at the same place in the log */
export function knownInScene(
  qemu: LoggedFault | undefined,
  ours: LoggedFault,
  scene: FaultScene,
  program: Program,
): string | undefined {
  if (ours.vector === GENERAL_PROTECTION) return isIretToVirtual(scene, program) ? VIRTUAL_BY_ANYONE : undefined;
  if (ours.vector !== PAGE_FAULT || qemu?.rip === ours.rip) return undefined;
  return hadAccess(ours, scene) ? STALE_TRANSLATIONS : undefined;
}

/** Whether IRETD outside 64-bit code has an image with VM that may not be obeyed. */
export function isIretToVirtual(
  { regs, code, stack }: Pick<FaultScene, "regs" | "code" | "stack">,
  program: Program,
): boolean {
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
