// x87 registers as text: "3fff:8000000000000000" is 1, sign and exponent before the colon.
import { FCW, TOP_SHIFT } from "../src/softfloat/status-word.ts";
import { AT } from "../src/state/layout.ts";
import { InsnMachine } from "./insn-machine.ts";

/** Numbers that tests use by name. */
export const X87 = {
  zero: "0000:0000000000000000",
  minusZero: "8000:0000000000000000",
  half: "3ffe:8000000000000000",
  one: "3fff:8000000000000000",
  minusOne: "bfff:8000000000000000",
  two: "4000:8000000000000000",
  three: "4000:c000000000000000",
  infinity: "7fff:8000000000000000",
  minusInfinity: "ffff:8000000000000000",
  greatest: "7ffe:ffffffffffffffff",
  leastNormal: "0001:8000000000000000",
  leastDenormal: "0000:0000000000000001",
  quiet: "7fff:c000000000000001",
  signaling: "7fff:8000000000000001",
  unsupported: "4000:0000000000000001",
  indefinite: "ffff:c000000000000000",
} as const;

/** Runs x87 instructions in 32-bit code. Each test starts with {@link reset}. */
export class X87Machine extends InsnMachine {
  constructor(codeBits: 16 | 32 | 64 = 32) {
    super(codeBits);
    this.reset();
  }

  /** As after FNINIT with these numbers on the stack, ST(0) first. */
  reset(...numbers: readonly string[]): this {
    this.cpu.set32("fpuControl", FCW.INITIAL);
    this.cpu.set32("fpuStatus", 0);
    this.cpu.set32("fpuTag", 0);
    for (const number of [...numbers].reverse()) this.push(number);
    return this;
  }

  /** As `run`, for chains. */
  step(hex: string): this {
    this.run(hex);
    return this;
  }

  /** Replaces masks, precision and rounding control. */
  control(value: number): this {
    this.cpu.set32("fpuControl", value);
    return this;
  }

  push(number: string): void {
    const top = (this.top - 1) & 7;
    this.cpu.set32("fpuStatus", (this.status & ~0x3800) | (top << TOP_SHIFT));
    this.cpu.set32("fpuTag", this.cpu.get32("fpuTag") | (1 << top));
    this.write(0, number);
  }

  write(i: number, number: string): void {
    const [head, significand] = number.split(":") as [string, string];
    const at = AT.fpr + ((this.top + i) & 7) * 16;
    this.cpu.view.setBigUint64(at, BigInt(`0x${significand}`), true);
    this.cpu.view.setUint16(at + 8, Number.parseInt(head, 16), true);
  }

  /** ST(i), or "empty". */
  st(i: number): string {
    const register = (this.top + i) & 7;
    if ((this.cpu.get32("fpuTag") & (1 << register)) === 0) return "empty";
    const at = AT.fpr + register * 16;
    const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, "0");
    return `${hex(this.cpu.view.getUint16(at + 8, true), 4)}:${hex(this.cpu.view.getBigUint64(at, true), 16)}`;
  }

  /** All registers that are not empty, from ST(0) on. */
  get stack(): readonly string[] {
    return [0, 1, 2, 3, 4, 5, 6, 7].map((i) => this.st(i)).filter((number) => number !== "empty");
  }

  get status(): number {
    return this.cpu.get32("fpuStatus");
  }

  get top(): number {
    return (this.status >> TOP_SHIFT) & 7;
  }

  /** Exception flags, SF, ES, C0 to C3 and B by name. */
  get flags87(): string {
    const names = ["IE", "DE", "ZE", "OE", "UE", "PE", "SF", "ES", "C0", "C1", "C2", "", "", "", "C3", "B"];
    return names.filter((name, bit) => name !== "" && (this.status & (1 << bit)) !== 0).join(" ");
  }
}

/** The 80-bit encoding of a double. */
export function extended(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const sign = Number(bits >> 63n) << 15;
  const exponent = Number(bits >> 52n) & 0x7ff;
  if (exponent === 0) return sign === 0 ? X87.zero : X87.minusZero;
  const significand = (1n << 63n) | ((bits & ((1n << 52n) - 1n)) << 11n);
  return `${(sign | (exponent + 0x3fff - 0x3ff)).toString(16).padStart(4, "0")}:${significand.toString(16)}`;
}
