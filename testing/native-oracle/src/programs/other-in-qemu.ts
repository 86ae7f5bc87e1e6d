/** Instructions that QEMU 7.2 does otherwise than the manual without a fault that shows it: programs for it have none of them. */
import type { Draft } from "../generate/draft.ts";
import { formLabel } from "../vector.ts";

const LOCK = 0xf0;
const REX = 0x40;
/** ES, CS, SS and DS. */
const IGNORED_SEGMENTS: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e]);

/** CS, which is not writable, ES, FS and GS, which programs load. */
const UNCERTAIN_SEGMENTS: ReadonlySet<number> = new Set([0x26, 0x2e, 0x64, 0x65]);

type Leaves = (draft: Draft) => boolean;

/** LOCK passes where it is undefined (LEA, XADD of registers). Seed 231129084. SDM vol. 2A, "LOCK". */
const isLockedInVain: Leaves = ({ prefixes, form, modrm }) =>
  prefixes.includes(LOCK) && (!form.options.lock || modrm?.mod === 3);

/** W of a REX in front of a legacy prefix, which does nothing, is obeyed. SDM vol. 2A, "REX Prefixes". */
const hasRexInFront: Leaves = ({ prefixes }) => prefixes.some((prefix) => (prefix & 0xf0) === REX);

/**
 * The base of a segment that the prefix names is added, whatever segment the register was loaded with in 64-bit mode; it is 0. Seed
 * 901000072: DS 0fh. SDM vol. 3A, "Segmentation in IA-32e Mode".
 */
const namesIgnoredSegment: Leaves = ({ prefixes, environment }) =>
  environment.codeBits === 64 && prefixes.some((prefix) => IGNORED_SEGMENTS.has(prefix));

/**
 * RCL, RCR and SETcc change flags before they write, and a write that faults leaves them changed: faults come before all changes. Seeds
 * 908249798, RCL of a page that is only read, and 231130244, SETBE. SDM vol. 3A, "Program or Task Restart".
 */
const writesBehindFlags: Leaves = ({ form, modrm }) => /^(RC[LR]|SET.*)$/.test(form.mnemonic) && modrm?.mod !== 3;

/**
 * FS and GS keep the RPL of a null selector over returns to less privilege, which clear it: SDM vol. 2A, "IRET". Seeds 129020122 and
 * 129020158; MOV comes from system-steps.ts.
 */
const loadsFsOrGs: Leaves = ({ form }) => /\b(POP [FG]S|L[FG]S)\b/.test(formLabel(form));

/**
 * Outside 64-bit code neither the type nor the limit of a segment is looked at, and one that is null begins at 0. So there are no
 * accesses but through DS, SS and ES, which hold what every program has. Seeds 231129014, 231129052, 231129055.
 */
const leavesFlatSegments: Leaves = ({ prefixes, form, environment }) =>
  environment.codeBits !== 64 &&
  (prefixes.some((prefix) => UNCERTAIN_SEGMENTS.has(prefix)) || /\b(POP [DES]S|L[DES]S)\b/.test(formLabel(form)));

/** In 16-bit code all with VEX is #UD, not only in real-address mode. Seed 231129049. SDM vol. 2A, "VEX Prefix". */
const isVexIn16Bits: Leaves = ({ form, environment }) =>
  environment.codeBits === 16 && form.encoding.startsWith("VEX.");

/** BSWAP of 16 bits, whose result is undefined, is one of 32. Seed 231129034. */
const swapsWord: Leaves = ({ form, operandBits }) => form.mnemonic === "BSWAP" && operandBits === 16;

/** MOVBE and CRC32 are of 16 bits with 66, in 16-bit code, too. Seeds 231129034 and 231129157. */
const isWideIn16Bits: Leaves = ({ form, environment }) =>
  environment.codeBits === 16 && /^(MOVBE|CRC32)$/.test(form.mnemonic);

/** The immediate does not count in addresses relative to RIP. Seed 231129179. SDM vol. 2A, "RIP-Relative Addressing". */
const shiftsDoubleAtRip: Leaves = ({ form, modrm, environment }) =>
  environment.codeBits === 64 &&
  /^SH[LR]D$/.test(form.mnemonic) &&
  form.operands.includes("Ib") &&
  modrm?.mod === 0 &&
  modrm.rm === 5;

/** A register in VEX.vvvv where the instruction has none is not #UD. Seed 1129303200, RORX. SDM vol. 2A, "VEX.vvvv". */
const namesUnusedRegister: Leaves = ({ form, vex }) =>
  vex !== undefined && vex.register !== 0 && !form.operands.some((code) => /^[BH]/.test(code));

const REASONS: readonly Leaves[] = [
  isLockedInVain,
  hasRexInFront,
  namesIgnoredSegment,
  writesBehindFlags,
  loadsFsOrGs,
  leavesFlatSegments,
  isVexIn16Bits,
  swapsWord,
  isWideIn16Bits,
  shiftsDoubleAtRip,
  namesUnusedRegister,
];

/** Whether QEMU may do `draft` otherwise. */
export function isOtherInQemu(draft: Draft): boolean {
  return REASONS.some((leaves) => leaves(draft));
}
