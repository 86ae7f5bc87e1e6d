import { FLAGS } from "../cpu-state.ts";
import { type Draft, REGISTERS, registerValue, setFlag } from "../generate/draft.ts";
import { hex } from "./data-movement.ts";
import { type Form, form } from "./form.ts";

const LOCK = { lock: true } as const;
const LEGACY = { modes: "legacy" } as const;

/** In the order of the opcode's bits 5:3 and of group 1's digits. */
const BINARY = ["ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"] as const;

const binary: readonly Form[] = BINARY.flatMap((name, digit) => {
  const first = digit * 8;
  const lock = name === "CMP" ? {} : LOCK;
  return [
    form(`${hex(first)} /r`, `${name} Eb,Gb`, lock),
    form(`${hex(first + 1)} /r`, `${name} Ev,Gv`, lock),
    form(`${hex(first + 2)} /r`, `${name} Gb,Eb`),
    form(`${hex(first + 3)} /r`, `${name} Gv,Ev`),
    form(hex(first + 4), `${name} AL,Ib`),
    form(hex(first + 5), `${name} rAX,Iz`),
    form(`80 /${digit}`, `${name} Eb,Ib`, lock),
    form(`81 /${digit}`, `${name} Ev,Iz`, lock),
    form(`82 /${digit}`, `${name} Eb,Ib`, { ...lock, ...LEGACY }),
    form(`83 /${digit}`, `${name} Ev,Ibs`, lock),
  ];
});

/** Random dividends overflow nearly always: make the high half small or the sign of the low one, most of the time. */
function chooseDividend(draft: Draft): void {
  const { random, overrides, operandBits } = draft;
  const byte = draft.form.operands[0] === "Eb";
  const signed = draft.form.mnemonic === "IDIV";
  const bits = byte ? 8n : BigInt(operandBits);
  const low = BigInt.asUintN(Number(bits), random.u64() >> BigInt(random.below(Number(bits))));
  const negative = signed && low >> (bits - 1n) === 1n;
  const high = negative
    ? (1n << bits) - 1n - BigInt(random.below(3) >> 1)
    : BigInt(random.pick([0, 0, 0, 1, random.below(64)]));
  if (random.oneIn(6)) return;
  if (byte) setFree(overrides, REGISTERS.rax, (registerValue(draft, REGISTERS.rax) & ~0xffffn) | (high << 8n) | low);
  else {
    setFree(overrides, REGISTERS.rax, low);
    setFree(overrides, REGISTERS.rdx, high);
  }
}

/** A register that already is a pointer stays one. */
function setFree(overrides: Map<number, bigint>, register: number, value: bigint): void {
  if (!overrides.has(register)) overrides.set(register, value);
}

const group3: readonly Form[] = [
  form("F6 /0", "TEST Eb,Ib"),
  form("F7 /0", "TEST Ev,Iz"),
  form("F6 /1", "TEST Eb,Ib"),
  form("F7 /1", "TEST Ev,Iz"),
  form("F6 /2", "NOT Eb", LOCK),
  form("F7 /2", "NOT Ev", LOCK),
  form("F6 /3", "NEG Eb", LOCK),
  form("F7 /3", "NEG Ev", LOCK),
  form("F6 /4", "MUL Eb"),
  form("F7 /4", "MUL Ev"),
  form("F6 /5", "IMUL Eb"),
  form("F7 /5", "IMUL Ev"),
  form("F6 /6", "DIV Eb", { prepare: chooseDividend }),
  form("F7 /6", "DIV Ev", { prepare: chooseDividend }),
  form("F6 /7", "IDIV Eb", { prepare: chooseDividend }),
  form("F7 /7", "IDIV Ev", { prepare: chooseDividend }),
];

/** Only AL, AH and the flags matter, so digits near the adjustments' limits are chosen for them. */
function chooseDecimal(draft: Draft): void {
  const { random } = draft;
  const digits = BigInt(random.pick([random.below(0x10000), 0x0009, 0x000a, 0x0099, 0x009a, 0x00f9, 0x00fa, 0x0a9f]));
  draft.overrides.set(REGISTERS.rax, (registerValue(draft, REGISTERS.rax) & ~0xffffn) | digits);
  setFlag(draft, FLAGS.AF, random.oneIn(2));
  setFlag(draft, FLAGS.CF, random.oneIn(2));
}

/** AAM divides by its immediate: zero must happen, and so must ten. */
function chooseDecimalBase(draft: Draft): void {
  chooseDecimal(draft);
  const immediate = draft.immediates[0];
  if (immediate) immediate.value = BigInt(draft.random.pick([10, 10, 16, 0, draft.random.below(256)]));
}

const decimal: readonly Form[] = [
  form("27", "DAA", { ...LEGACY, prepare: chooseDecimal }),
  form("2F", "DAS", { ...LEGACY, prepare: chooseDecimal }),
  form("37", "AAA", { ...LEGACY, prepare: chooseDecimal }),
  form("3F", "AAS", { ...LEGACY, prepare: chooseDecimal }),
  form("D4", "AAM Ib", { ...LEGACY, prepare: chooseDecimalBase }),
  form("D5", "AAD Ib", { ...LEGACY, prepare: chooseDecimalBase }),
];

/** Integer arithmetic and logic. */
export const alu: readonly Form[] = [
  ...binary,
  form("84 /r", "TEST Eb,Gb"),
  form("85 /r", "TEST Ev,Gv"),
  form("A8", "TEST AL,Ib"),
  form("A9", "TEST rAX,Iz"),
  form("40+r", "INC Zv", LEGACY),
  form("48+r", "DEC Zv", LEGACY),
  form("FE /0", "INC Eb", LOCK),
  form("FF /0", "INC Ev", LOCK),
  form("FE /1", "DEC Eb", LOCK),
  form("FF /1", "DEC Ev", LOCK),
  ...group3,
  form("0F AF /r", "IMUL Gv,Ev"),
  form("69 /r", "IMUL Gv,Ev,Iz"),
  form("6B /r", "IMUL Gv,Ev,Ibs"),
  ...decimal,
];
