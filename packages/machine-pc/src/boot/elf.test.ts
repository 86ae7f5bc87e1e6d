import { describe, expect, it } from "vitest";
import { makeElf } from "../../test/make-elf.ts";
import { isElf, parseElf } from "./elf.ts";

const code = Uint8Array.of(1, 2, 3, 4);

describe("parseElf", () => {
  it.each([32, 64] as const)("reads segments, entry and notes of an ELF%i file", (bits) => {
    const note = { name: "Xen", type: 18, descriptor: Uint8Array.of(0, 0, 16, 0) };
    const elf = parseElf(
      makeElf({ bits, entry: 0x100010, load: [{ paddr: 0x100000, bytes: code, memoryBytes: 0x20 }], notes: [note] }),
    );
    expect(elf.entry).toBe(0x100010);
    expect(elf.segments).toEqual([{ gpa: 0x100000, bytes: code, length: 0x20 }]);
    expect(elf.notes).toEqual([note]);
  });

  it("finds every truncation", () => {
    const whole = makeElf({ bits: 64, entry: 0, load: [{ paddr: 0, bytes: code, memoryBytes: 4 }] });
    for (let length = 4; length < whole.length; length++) {
      expect(() => parseElf(whole.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "CONFIG_KERNEL_TRUNCATED" }),
      );
    }
  });

  it("refuses files for other machines, and files that load nothing", () => {
    const arm = makeElf({ bits: 64, entry: 0, load: [{ paddr: 0, bytes: code, memoryBytes: 4 }] });
    arm[0x12] = 183;
    expect(() => parseElf(arm)).toThrow(/another CPU/);
    expect(() => parseElf(makeElf({ bits: 32, entry: 0, load: [] }))).toThrow(/nothing to load/);
  });

  it("refuses a segment that shrinks when loaded", () => {
    const odd = makeElf({ bits: 32, entry: 0, load: [{ paddr: 0, bytes: code, memoryBytes: 3 }] });
    expect(() => parseElf(odd)).toThrow(expect.objectContaining({ code: "CONFIG_KERNEL_UNSUPPORTED" }));
  });

  it("survives notes whose lengths are nonsense", () => {
    const note = { name: "Xen", type: 18, descriptor: Uint8Array.of(0, 0, 16, 0) };
    const bytes = makeElf({ bits: 32, entry: 0, load: [{ paddr: 0, bytes: code, memoryBytes: 4 }], notes: [note] });
    const nameLengthAt = bytes.length - 20;
    expect(bytes[nameLengthAt]).toBe(4);
    bytes.fill(0xff, nameLengthAt, nameLengthAt + 4);
    expect(parseElf(bytes).notes).toEqual([]);
  });
});

describe("isElf", () => {
  it("looks at the first four bytes", () => {
    expect(isElf(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46))).toBe(true);
    expect(isElf(Uint8Array.of(0x7f, 0x45, 0x4c))).toBe(false);
  });
});
