import { type Draft, registerValue } from "../generate/draft.ts";
import { type Form, form } from "./form.ts";

const LOCK = { lock: true } as const;

/** A register's bit offset reaches over all of memory: keep most of them within the data window. */
function chooseBitOffset(draft: Draft): void {
  const { random, modrm, rex, memoryAddress } = draft;
  if (memoryAddress === undefined || !modrm || random.oneIn(16)) return;
  const register = modrm.reg | (rex.r ? 8 : 0);
  if (draft.overrides.has(register)) return;
  const offset = BigInt(random.pick([random.below(64), random.below(0x2000) - 0x1000, random.below(0x8000) - 0x4000]));
  const kept =
    draft.operandBits === 64
      ? 0n
      : (registerValue(draft, register) >> BigInt(draft.operandBits)) << BigInt(draft.operandBits);
  draft.overrides.set(register, kept | BigInt.asUintN(draft.operandBits, offset));
}

const BIT = { prepare: chooseBitOffset } as const;

/** Single bits, scans and counts, and CRC32. */
export const bit: readonly Form[] = [
  form("0F A3 /r", "BT Ev,Gv", BIT),
  form("0F AB /r", "BTS Ev,Gv", { ...BIT, ...LOCK }),
  form("0F B3 /r", "BTR Ev,Gv", { ...BIT, ...LOCK }),
  form("0F BB /r", "BTC Ev,Gv", { ...BIT, ...LOCK }),
  form("0F BA /4", "BT Ev,Ib"),
  form("0F BA /5", "BTS Ev,Ib", LOCK),
  form("0F BA /6", "BTR Ev,Ib", LOCK),
  form("0F BA /7", "BTC Ev,Ib", LOCK),
  form("0F BC /r", "BSF Gv,Ev"),
  form("0F BD /r", "BSR Gv,Ev"),
  form("F3 0F BC /r", "TZCNT Gv,Ev"),
  form("F3 0F BD /r", "LZCNT Gv,Ev"),
  form("F3 0F B8 /r", "POPCNT Gv,Ev"),
  form("F2 0F 38 F0 /r", "CRC32 Gy,Eb"),
  form("F2 0F 38 F1 /r", "CRC32 Gy,Ev"),
];
