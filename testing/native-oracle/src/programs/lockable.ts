/** Where LOCK may stand, by SDM vol. 2A, "LOCK": what our rows say of it must not excuse itself. */
import { opcodeIndex } from "../prefixes.ts";

const LOCK = 0xf0;
const ESCAPE = 0x0f;
/** Opcodes of one byte and of two, with those values of ModRM.reg that name a locked form. */
const ALL = 0xff;
const LOCKED: Readonly<Record<number, number>> = {
  ...Object.fromEntries(
    [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30].flatMap((add) => [add, add + 1].map((each) => [each, ALL])),
  ),
  ...Object.fromEntries([0x80, 0x81, 0x82, 0x83].map((each) => [each, ALL & ~(1 << 7)])),
  ...Object.fromEntries([0x86, 0x87].map((each) => [each, ALL])),
  ...Object.fromEntries([0xf6, 0xf7].map((each) => [each, (1 << 2) | (1 << 3)])),
  ...Object.fromEntries([0xfe, 0xff].map((each) => [each, (1 << 0) | (1 << 1)])),
};
const LOCKED_0F: Readonly<Record<number, number>> = {
  ...Object.fromEntries([0xab, 0xb0, 0xb1, 0xb3, 0xbb, 0xc0, 0xc1].map((each) => [each, ALL])),
  // BTS, BTR and BTC of an immediate, CMPXCHG8B and CMPXCHG16B.
  186: (1 << 5) | (1 << 6) | (1 << 7),
  199: 1 << 1,
};

/** Whether an instruction has LOCK, and is none that may. */
export function isLockedInVain(bytes: Uint8Array, isLong: boolean): boolean {
  const at = opcodeIndex(bytes, isLong);
  if (at < 0 || !bytes.subarray(0, at).includes(LOCK)) return false;
  const escaped = bytes[at] === ESCAPE;
  const [opcode = 0, modrm = 0] = bytes.subarray(escaped ? at + 1 : at);
  const forms = (escaped ? LOCKED_0F : LOCKED)[opcode] ?? 0;
  return modrm >= 0xc0 || ((forms >> ((modrm >> 3) & 7)) & 1) === 0;
}
