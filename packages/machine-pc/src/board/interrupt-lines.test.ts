import type { IrqLine } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import { createInterruptLines, createOrGate } from "./interrupt-lines.ts";

function recorders(count: number): { readonly lines: IrqLine[]; readonly levels: string[] } {
  const levels: string[] = [];
  const lines = Array.from({ length: count }, (_, i) => ({
    set: (level: boolean) => levels.push(`${i}${level ? "+" : "-"}`),
  }));
  return { lines: lines as unknown as IrqLine[], levels };
}

describe("createOrGate", () => {
  it("is high while any input is, whatever is said twice", () => {
    const { lines, levels } = recorders(1);
    const gate = createOrGate(lines[0] as IrqLine);
    const [a, b] = [gate.input(), gate.input()];
    a.set(false);
    a.set(true);
    a.set(true);
    b.set(true);
    a.set(false);
    a.set(false);
    expect(levels).toEqual(["0+"]);
    b.set(false);
    expect(levels).toEqual(["0+", "0-"]);
  });
});

describe("createInterruptLines", () => {
  function build() {
    const pic = recorders(16);
    const ioApic = recorders(24);
    return { pic, ioApic, lines: createInterruptLines({ pic: pic.lines, ioApic: ioApic.lines }) };
  }

  it("brings ISA interrupts to both controllers, the timer to IOAPIC input 2", () => {
    const { pic, ioApic, lines } = build();
    lines.isa(0).set(true);
    lines.isa(4).set(true);
    expect(pic.levels).toEqual(["0+", "4+"]);
    expect(ioApic.levels).toEqual(["2+", "4+"]);
  });

  it("knows all interrupts by QEMU's numbers, too", () => {
    const { pic, ioApic, lines } = build();
    for (const gsi of [0, 14, 20]) lines.gsi(gsi).set(true);
    expect(pic.levels).toEqual(["0+", "14+"]);
    expect(ioApic.levels).toEqual(["2+", "14+", "20+"]);
  });

  it("lets devices share an interrupt", () => {
    const { pic, lines } = build();
    const [com1, com3] = [lines.isa(4), lines.isa(4)];
    com1.set(true);
    com3.set(true);
    com1.set(false);
    expect(pic.levels).toEqual(["4+"]);
    com3.set(false);
    expect(pic.levels).toEqual(["4+", "4-"]);
  });

  it("gives each PCI line its own IOAPIC input above the ISA ones", () => {
    const { pic, ioApic, lines } = build();
    for (let line = 0; line < 4; line++) lines.pci(line).set(true);
    expect(ioApic.levels).toEqual(["16+", "17+", "18+", "19+"]);
    expect(pic.levels).toEqual(["10+", "11+"]);
  });
});
