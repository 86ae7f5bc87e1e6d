import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FEATURE, type FeatureName, Features, featureNamed } from "../cpuid/features.ts";
import { emitHandler } from "../emit/emit-insn.ts";
import { HandlerNumbering } from "../emit/handlers.ts";
import { CR4 } from "../state/bits.ts";
import { allRows } from "./all-rows.ts";
import { evexRows } from "./evex.ts";
import { rows as far } from "./far.ts";
import { rows as io } from "./io.ts";
import { rows as system } from "./system.ts";

describe("system rows", () => {
  it("emit in every shape, with all faults before the first commit", () => {
    const { inline, outOfLine } = new HandlerNumbering([...far, ...io, ...system]);
    const shapes = [...inline.flat(), ...outOfLine];
    expect(shapes.length).toBeGreaterThan(300);
    for (const shape of shapes) expect(() => emitHandler(shape)).not.toThrow();
  });
});

describe("XSAVES and XRSTORS", () => {
  const save = "670fc76d00";
  const restore = "670fc75d00";
  /** Beyond the stack segment, in 16-bit code. */
  const outside = { rbp: 0x2_c000 };

  it.each([save, restore])("%s looks at CR4.OSXSAVE, then at the privilege, then at the limit", (code) => {
    const m = new InsnMachine(16);
    const faultAt = (cpl: number, cr4: number): string => {
      m.cpu.set32("cpl", cpl);
      m.cpu.setLow("cr4", cr4);
      m.set(outside).run(code);
      return m.fault;
    };
    expect(faultAt(3, 0)).toBe("#UD");
    expect(faultAt(3, CR4.OSXSAVE)).toBe("#GP(0)");
    expect(faultAt(0, CR4.OSXSAVE)).toBe("#SS(0)");
  });
});

/** Features that are no instructions, or whose instructions exist without them. */
const NO_ROWS: ReadonlySet<FeatureName> = new Set<FeatureName>([
  "fpu",
  "de",
  "pse",
  "pae",
  "mce",
  "apic",
  "mtrr",
  "pge",
  "mca",
  "pat",
  "pse36",
  "pcid",
  "x2apic",
  "tsc-deadline",
  "hypervisor",
  "arat",
  "tsc-adjust",
  "smep",
  "umip",
  "la57",
  "nx",
  "pdpe1gb",
  "lm",
  "invtsc",
  "null-sel-clr-base",
  "auto-ibrs",
  "kvmclock",
  "kvmclock-stable-bit",
  "3dnowprefetch",
  "cx16",
  "lahf-lm",
  "xgetbv1",
  "erms",
  "fsrm",
  "pks",
  "lam",
]);

describe("CPUID features", () => {
  const gates = [...allRows, ...evexRows].flatMap(({ cpuid = [], alsoCpuid = [] }) => [cpuid, alsoCpuid].flat());

  it("are known where rows name them", () => {
    const none = new Features([]);
    for (const gate of gates) expect(none.has(gate)).toBe(false);
  });

  it("are shown only if there are rows for them", () => {
    const named = new Set(gates.map(featureNamed));
    const empty = (Object.keys(FEATURE) as FeatureName[]).filter((name) => !named.has(name) && !NO_ROWS.has(name));
    expect(empty).toEqual([]);
  });
});
