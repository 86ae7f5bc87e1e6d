// Instructions with EVEX against those with VEX, which were compared with a real processor: each part of the vectors must become
// what the same instruction with VEX makes of it, then the mask is applied element by element.
import { beforeAll, describe, expect, it } from "vitest";
import { evexRows } from "../src/instructions/evex.ts";
import type { EvexForm } from "../src/instructions/evex-form.ts";
import type { Row } from "../src/instructions/row.ts";
import { EvexMachine, type EvexOperands, encodeEvex, encodeVex, wideSource } from "./evex-machine.ts";

type Form = EvexForm & { readonly base: Row };
interface Derived {
  readonly row: Row;
  readonly form: Form;
}

const derived: readonly Derived[] = evexRows.flatMap((row) => {
  const { evex } = row;
  const registers = row.operands.every((code) => "VHUWKI".includes(code[0] as string));
  const base = evex?.base ?? evex?.step;
  if (evex === undefined || base === undefined || !registers || evex.kind === "plain") return [];
  if (base.encoding.includes("STEP") || (evex.length === 128 && base.encoding.startsWith("VEX.256"))) return [];
  return [{ row, form: { ...evex, base } as Form }];
});

let m: EvexMachine;
beforeAll(() => {
  m = new EvexMachine();
});

/** Registers of an instruction as they were; the destination is one of them. */
interface Before {
  readonly reg: Uint8Array;
  readonly vvvv: Uint8Array;
  readonly rm: Uint8Array;
}

/** What the VEX form makes of each part, side by side. */
function bySingleParts({ form }: Derived, before: Before, immediate: number): Uint8Array {
  const result = new Uint8Array(64);
  const destination = form.destination;
  const strides = form.strides;
  for (let part = 0; part < form.parts; part++) {
    const place = (name: "reg" | "vvvv" | "rm", register: number): void => {
      m.zmm(register).fill(0);
      const from = part * strides[name];
      m.zmm(register).set(before[name].subarray(from, from + 32));
    };
    place("reg", 1);
    place("vvvv", 2);
    place("rm", 3);
    const own = (immediate & 0xff) >> (part * form.immediateBits);
    m.run(encodeVex(form.base, { reg: 1, vvvv: 2, rm: 3, immediate: own }));
    const target = { reg: 1, vvvv: 2, rm: 3 }[destination];
    const stride = form.kind === "mask" ? form.length / 8 / form.parts : strides[destination];
    result.set(m.zmm(target).subarray(0, form.parts === 1 ? 32 : stride), part * stride);
  }
  return result;
}

const isSet = (mask: bigint, i: number): boolean => ((mask >> BigInt(i)) & 1n) === 1n;

/** Elements whose mask bit is clear are what they were, or zero. */
function underMask(form: EvexForm, fresh: Uint8Array, old: Uint8Array, mask: bigint, zeroes: boolean): Uint8Array {
  const result = fresh.slice();
  const { element } = form;
  const count = form.scalar ? 1 : form.resultBytes / element;
  for (let i = 0; i < count; i++) {
    if (isSet(mask, i)) continue;
    if (zeroes) result.fill(0, i * element, (i + 1) * element);
    else result.set(old.subarray(i * element, (i + 1) * element), i * element);
  }
  return result;
}

function signsOf(form: EvexForm, result: Uint8Array): bigint {
  const count = form.scalar ? 1 : form.length / 8 / form.element;
  let signs = 0n;
  for (let i = 0; i < count; i++) if ((result[(i + 1) * form.element - 1] as number) >= 0x80) signs |= 1n << BigInt(i);
  return signs;
}

/** Runs the instruction on registers, some of which may be the same, and compares. */
function check(
  d: Derived,
  operands: Required<Pick<EvexOperands, "reg" | "vvvv" | "rm">>,
  source: () => Uint8Array,
  masked: boolean,
): void {
  const { row, form } = d;
  const immediate = source()[0] as number;
  const maskBits = new DataView(source().buffer).getBigUint64(0);
  const zeroes = masked && form.kind !== "mask" && ((source()[0] as number) & 1) === 1;
  const registers = [...new Set(Object.values(operands))];
  const values = new Map(registers.map((register) => [register, source()]));
  const before: Before = {
    reg: values.get(operands.reg) as Uint8Array,
    vvvv: values.get(operands.vvvv) as Uint8Array,
    rm: values.get(operands.rm) as Uint8Array,
  };
  m.mxcsr = 0x1f80;
  const parts = bySingleParts(d, before, immediate);
  const exceptions = m.mxcsr;
  for (const [register, value] of values) m.zmm(register).set(value);
  m.setMask(3, maskBits);
  m.setMask(5, 0x5555n);
  m.mxcsr = 0x1f80;
  const mask = masked ? 3 : 0;
  const bytes = encodeEvex(row, { ...operands, ...(form.kind === "mask" && { reg: 5 }), immediate, mask, zeroes });
  const label = `${row.mnemonic} ${row.encoding} ${bytes}`;
  m.run(bytes);
  expect(m.fault, label).toBe("none");
  const whole = masked ? maskBits : -1n;
  if (form.kind === "mask") expect(m.mask(5), label).toBe(signsOf(form, parts) & whole);
  else {
    const target = operands[form.destination];
    const old = before[form.kept === "vvvv" ? "vvvv" : form.destination];
    const expected = underMask(form, parts, old, whole, zeroes);
    expect(Buffer.from(m.zmm(target)).toString("hex"), label).toBe(Buffer.from(expected).toString("hex"));
  }
  if (!masked) expect(m.mxcsr, `${label}: MXCSR`).toBe(exceptions);
}

describe("EVEX forms of AVX instructions", () => {
  it("are there", () => expect(derived.length).toBeGreaterThan(500));

  it.each([
    ["with registers of their own", { reg: 17, vvvv: 26, rm: 31 }],
    ["whose destination is the first source", { reg: 9, vvvv: 9, rm: 31 }],
    ["whose destination is the second source", { reg: 20, vvvv: 5, rm: 20 }],
  ])("do what AVX does in each part: %s", (_, operands) => {
    const source = wideSource(operands.reg);
    for (const d of derived) check(d, operands, source, false);
  });

  it("merge and zero under a mask", () => {
    const source = wideSource(77);
    for (const d of derived)
      if (d.form.masking !== "none") {
        check(d, { reg: 17, vvvv: 26, rm: 31 }, source, true);
        check(d, { reg: 2, vvvv: 3, rm: 2 }, source, true);
      }
  });
});
