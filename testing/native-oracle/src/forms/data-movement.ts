import { WINDOWS, windowContents } from "../environment.ts";
import { type Draft, REGISTERS, registerValue } from "../generate/draft.ts";
import { chooseThrough } from "../generate/implicit-operands.ts";
import { type Form, form } from "./form.ts";

const LOCK = { lock: true } as const;
const LONG = { modes: "long" } as const;

/** In condition-code order. SDM vol. 1, "EFLAGS Condition Codes". */
export const CONDITIONS = [
  "O",
  "NO",
  "B",
  "NB",
  "Z",
  "NZ",
  "BE",
  "NBE",
  "S",
  "NS",
  "P",
  "NP",
  "L",
  "NL",
  "LE",
  "NLE",
] as const;

/** Two-digit upper-case hexadecimal, as encodings are written. */
export function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, "0");
}

const pristine: ReadonlyMap<number, Uint8Array> = new Map(
  WINDOWS.map((window) => [window.address, windowContents(window)]),
);

/** `bytes` of a window as a number, or 0 where they are not mapped. */
export function memoryValue(linear: number, bytes: number): bigint {
  const window = WINDOWS.find(({ address, length }) => linear >= address && linear + bytes <= address + length);
  if (!window) return 0n;
  const at = linear - window.address;
  const contents = Array.from(pristine.get(window.address)?.subarray(at, at + bytes) ?? []);
  return contents.reduce((value, byte, i) => value | (BigInt(byte) << BigInt(8 * i)), 0n);
}

/** Half of the time the accumulator equals the destination, so that the exchange happens. */
function chooseComparison(draft: Draft): void {
  const { modrm, random, rex, memoryAddress } = draft;
  if (!modrm || random.oneIn(2) || draft.overrides.has(REGISTERS.rax)) return;
  const byte = draft.form.operands[0] === "Eb";
  const bits = byte ? 8 : draft.operandBits;
  let destination: bigint;
  if (memoryAddress !== undefined) destination = memoryValue(memoryAddress, bits / 8);
  else if (byte && modrm.rm >= 4 && !rex.b && !rex.r && !rex.forced)
    destination = registerValue(draft, modrm.rm & 3) >> 8n;
  else destination = registerValue(draft, modrm.rm | (rex.b ? 8 : 0));
  const kept = (registerValue(draft, REGISTERS.rax) >> BigInt(bits)) << BigInt(bits);
  if (memoryAddress !== undefined || modrm.rm !== REGISTERS.rax)
    draft.overrides.set(REGISTERS.rax, kept | BigInt.asUintN(bits, destination));
}

/** CMPXCHG8B and CMPXCHG16B compare rDX:rAX. */
function chooseWideComparison(draft: Draft): void {
  const { memoryAddress, overrides, random } = draft;
  const half = draft.rex.w ? 8 : 4;
  if (memoryAddress === undefined || random.oneIn(3) || overrides.has(REGISTERS.rax) || overrides.has(REGISTERS.rdx))
    return;
  overrides.set(REGISTERS.rax, memoryValue(memoryAddress, half));
  overrides.set(REGISTERS.rdx, memoryValue(memoryAddress + half, half));
}

/** AL is an index of up to 255 bytes over rBX. */
function chooseTable(draft: Draft): void {
  chooseThrough(draft, REGISTERS.rbx, "ds", 1);
}

/** Loads, stores, exchanges and conversions. */
export const dataMovement: readonly Form[] = [
  form("88 /r", "MOV Eb,Gb"),
  form("89 /r", "MOV Ev,Gv"),
  form("8A /r", "MOV Gb,Eb"),
  form("8B /r", "MOV Gv,Ev"),
  form("A0", "MOV AL,Ob"),
  form("A1", "MOV rAX,Ov"),
  form("A2", "MOV Ob,AL"),
  form("A3", "MOV Ov,rAX"),
  form("B0+r", "MOV Zb,Ib"),
  form("B8+r", "MOV Zv,Iv"),
  form("C6 /0", "MOV Eb,Ib"),
  form("C7 /0", "MOV Ev,Iz"),
  form("0F B6 /r", "MOVZX Gv,Eb"),
  form("0F B7 /r", "MOVZX Gv,Ew"),
  form("0F BE /r", "MOVSX Gv,Eb"),
  form("0F BF /r", "MOVSX Gv,Ew"),
  form("REX.W 63 /r", "MOVSXD Gq,Ed", LONG),
  form("63 /r", "MOVSXD Gd,Ed", LONG),
  form("8D /r", "LEA Gv,M"),
  form("86 /r", "XCHG Eb,Gb", LOCK),
  form("87 /r", "XCHG Ev,Gv", LOCK),
  form("90+r", "XCHG Zv,rAX"),
  form("0F C8+r", "BSWAP Zy"),
  form("0F 38 F0 /r", "MOVBE Gv,Mv"),
  form("0F 38 F1 /r", "MOVBE Mv,Gv"),
  form("98", "CBW", { sized: true }),
  form("99", "CWD", { sized: true }),
  form("D7", "XLAT", { prepare: chooseTable }),
  form("0F B0 /r", "CMPXCHG Eb,Gb", { ...LOCK, prepare: chooseComparison }),
  form("0F B1 /r", "CMPXCHG Ev,Gv", { ...LOCK, prepare: chooseComparison }),
  form("0F C0 /r", "XADD Eb,Gb", LOCK),
  form("0F C1 /r", "XADD Ev,Gv", LOCK),
  form("0F C7 /1", "CMPXCHG8B Mq", { ...LOCK, prepare: chooseWideComparison }),
  form("REX.W 0F C7 /1", "CMPXCHG16B Mdq", { ...LOCK, modes: "long", prepare: chooseWideComparison }),
  form("0F 1F /0", "NOP Ev"),
  ...CONDITIONS.flatMap((condition, code) => [
    form(`0F ${hex(0x40 + code)} /r`, `CMOV${condition} Gv,Ev`),
    form(`0F ${hex(0x90 + code)} /r`, `SET${condition} Eb`),
  ]),
];
