/** Instructions that QEMU 7.2 does otherwise than the manual without a fault that shows it: programs for it have none of them. */
import type { Draft } from "../generate/draft.ts";
import { formLabel } from "../vector.ts";

const LOCK = 0xf0;
const REX = 0x40;
/** ES, CS, SS and DS. */
const IGNORED_SEGMENTS: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e]);

type Leaves = (draft: Draft) => boolean;

/** LOCK passes where it is undefined (LEA). SDM vol. 2A, "LOCK". */
const isLockedInVain: Leaves = ({ prefixes, form }) => prefixes.includes(LOCK) && !form.options.lock;

/** W of a REX in front of a legacy prefix, which does nothing, is obeyed. SDM vol. 2A, "REX Prefixes". */
const hasRexInFront: Leaves = ({ prefixes }) => prefixes.some((prefix) => (prefix & 0xf0) === REX);

/**
 * The base of a segment that the prefix names is added, whatever segment the register was loaded with in 64-bit mode; it is 0. Seed
 * 901000072: DS 0fh. SDM vol. 3A, "Segmentation in IA-32e Mode".
 */
const namesIgnoredSegment: Leaves = ({ prefixes, environment }) =>
  environment.codeBits === 64 && prefixes.some((prefix) => IGNORED_SEGMENTS.has(prefix));

/**
 * RCL and RCR change flags before they write, and a write that faults leaves them changed: faults come before all changes. Seed
 * 908249798: RCL of a page that is only read. SDM vol. 3A, "Program or Task Restart".
 */
const rotatesMemoryThroughCarry: Leaves = ({ form, modrm }) => /^RC[LR]$/.test(form.mnemonic) && modrm?.mod !== 3;

/**
 * FS and GS keep the RPL of a null selector over returns to less privilege, which clear it: SDM vol. 2A, "IRET". Seeds 129020122 and
 * 129020158; MOV comes from system-steps.ts.
 */
const loadsFsOrGs: Leaves = ({ form }) => /\b(POP [FG]S|L[FG]S)\b/.test(formLabel(form));

const REASONS: readonly Leaves[] = [
  isLockedInVain,
  hasRexInFront,
  namesIgnoredSegment,
  rotatesMemoryThroughCarry,
  loadsFsOrGs,
];

/** Whether QEMU may do `draft` otherwise. */
export function isOtherInQemu(draft: Draft): boolean {
  return REASONS.some((leaves) => leaves(draft));
}
