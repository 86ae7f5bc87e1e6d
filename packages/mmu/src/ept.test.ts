import { describe, expect, test } from "vitest";
import { ACCESS_FETCH, ACCESS_READ, ACCESS_WRITE } from "./access.ts";
import { EPT_A, EPT_D, EPT_PS, EPT_R, EPT_W, EPT_WB, EPT_X, EPTP_AD, type EptOptions, EptWalker } from "./ept.ts";
import { LabMemory } from "./lab/lab-memory.ts";

const RWX = EPT_R | EPT_W | EPT_X;
const GPA = 0x12_3456_789a;
const EPTP = 0x1000 | 0x1e;
// Entries of GPA in tables at 0x1000 (level 4) to 0x4000 (level 1).
const ENTRY_AT = [4, 3, 2, 1].map((level, i) => 0x1000 * (i + 1) + (Math.floor(GPA / 2 ** (3 + 9 * level)) % 512) * 8);

/** Tables with `flags` of the levels 4 to 1, and bits to set in the entries' high halves. */
function memoryWith(flags: readonly number[], high: readonly number[] = []): LabMemory {
  const memory = new LabMemory();
  flags.forEach((low, i) => {
    const target = i === 3 ? 0xabcd_e000 : 0x1000 * (i + 2);
    memory.store32(
      ENTRY_AT[i] as number,
      (low & EPT_PS) !== 0 || i === 3 ? low | (i === 3 ? target : 0x4000_0000) : target | low,
    );
    memory.store32((ENTRY_AT[i] as number) + 4, high[i] ?? 0);
  });
  return memory;
}

const walkerOf = (memory: LabMemory, options: Partial<EptOptions> = {}): EptWalker =>
  new EptWalker(memory, { eptp: EPTP, ...options });
const LEAF = RWX | EPT_WB;

describe("a walk", () => {
  test("of four levels ends in a page of 4 KByte", () => {
    const walker = walkerOf(memoryWith([RWX, RWX, RWX, LEAF]));
    expect(walker.walk(GPA, ACCESS_READ)).toBe("mapped");
    expect(walker).toMatchObject({ hpa: 0xabcd_e89a, pageShift: 12, rights: RWX });
  });

  test.each([
    [2, 21],
    [1, 30],
  ])("ends at a large page: entry %i", (last, pageShift) => {
    const flags = [RWX, RWX, RWX, LEAF].map((low, i) => (i === last ? LEAF | EPT_PS : low));
    const walker = walkerOf(memoryWith(flags));
    expect(walker.walk(GPA, ACCESS_READ)).toBe("mapped");
    expect(walker).toMatchObject({ hpa: 0x4000_0000 + (GPA % 2 ** pageShift), pageShift });
  });

  test("grants what all levels grant", () => {
    const walker = walkerOf(memoryWith([RWX, EPT_R | EPT_W, RWX, EPT_R | EPT_X | EPT_WB]));
    expect(walker.walk(GPA, ACCESS_READ)).toBe("mapped");
    expect(walker.walk(GPA, ACCESS_WRITE)).toBe("violation");
    expect(walker.walk(GPA, ACCESS_FETCH)).toBe("violation");
    expect(walker.walk(GPA, ACCESS_READ | ACCESS_WRITE)).toBe("violation");
    expect(walker.rights).toBe(EPT_R);
  });

  test.each([0, 1, 2, 3])(
    "is a violation without rights where entry %i is not present, whatever else is in it",
    (i) => {
      const flags = [RWX, RWX, RWX, LEAF].map((low, at) => (at === i ? 0x78 : low));
      const walker = walkerOf(memoryWith(flags));
      expect(walker.walk(GPA, ACCESS_READ)).toBe("violation");
      expect(walker.rights).toBe(0);
    },
  );

  test("of four levels reaches 48 bits", () => {
    const walker = walkerOf(memoryWith([RWX, RWX, RWX, LEAF]));
    expect(walker.walk(GPA + 2 ** 48, ACCESS_READ)).toBe("violation");
    expect(walker.rights).toBe(0);
  });
});

describe("misconfigurations", () => {
  const good = [RWX, RWX, RWX, LEAF];
  const at = (i: number, low: number): number[] => good.map((flags, j) => (i === j ? low : flags));
  test.each<[string, number[], number[], Partial<EptOptions>]>([
    ["W without R", at(3, EPT_W | EPT_WB), [], {}],
    ["W and X without R", at(1, EPT_W | EPT_X), [], {}],
    ["X alone on a processor without execute-only", at(3, EPT_X | EPT_WB), [], { executeOnly: false }],
    ["an address beyond MAXPHYADDR", good, [0, 0, 0, 0x100], {}],
    ["PS in a PML4E", at(0, RWX | EPT_PS), [], {}],
    ["a memory type in a PDE that refers to a table", at(2, RWX | EPT_WB), [], {}],
    ["memory type 2", at(3, RWX | 0x10), [], {}],
    ["memory type 3", at(3, RWX | 0x18), [], {}],
    ["memory type 7", at(3, RWX | 0x38), [], {}],
    ["bit 12 of a 2-MByte page", at(2, LEAF | EPT_PS | 0x1000), [], {}],
    ["bit 29 of a 1-GByte page", at(1, LEAF | EPT_PS | 0x2000_0000), [], {}],
    ["a 1-GByte page on a processor without them", at(1, LEAF | EPT_PS), [], { pages1G: false }],
  ])("%s", (_name, flags, high, options) => {
    expect(walkerOf(memoryWith(flags, high), options).walk(GPA, ACCESS_READ)).toBe("misconfiguration");
  });

  test("X alone is a right where execute-only is", () => {
    const walker = walkerOf(memoryWith(at(3, EPT_X | EPT_WB)));
    expect(walker.walk(GPA, ACCESS_FETCH)).toBe("mapped");
    expect(walker.walk(GPA, ACCESS_READ)).toBe("violation");
  });

  test("come before missing rights above them, and after missing entries", () => {
    expect(walkerOf(memoryWith([EPT_R, RWX, RWX, RWX | 0x10])).walk(GPA, ACCESS_WRITE)).toBe("misconfiguration");
    expect(walkerOf(memoryWith([RWX, 0, RWX, RWX | 0x10])).walk(GPA, ACCESS_READ)).toBe("violation");
  });
});

describe("accessed and dirty flags", () => {
  const flags = [RWX, RWX, RWX, LEAF];
  const marksOf = (memory: LabMemory): number[] => ENTRY_AT.map((at) => memory.load32(at) & (EPT_A | EPT_D));

  test("are left alone unless EPTP asks for them", () => {
    const memory = memoryWith(flags);
    walkerOf(memory).walk(GPA, ACCESS_WRITE);
    expect(marksOf(memory)).toEqual([0, 0, 0, 0]);
  });

  test("A everywhere, D in the page's entry for writes", () => {
    const memory = memoryWith(flags);
    const walker = walkerOf(memory, { eptp: EPTP | EPTP_AD });
    walker.walk(GPA, ACCESS_READ);
    expect(marksOf(memory)).toEqual([EPT_A, EPT_A, EPT_A, EPT_A]);
    walker.walk(GPA, ACCESS_WRITE);
    expect(marksOf(memory)).toEqual([EPT_A, EPT_A, EPT_A, EPT_A | EPT_D]);
  });

  test("are not set by a violation", () => {
    const memory = memoryWith([RWX, RWX, RWX, EPT_R | EPT_WB]);
    walkerOf(memory, { eptp: EPTP | EPTP_AD }).walk(GPA, ACCESS_WRITE);
    expect(marksOf(memory)).toEqual([0, 0, 0, 0]);
  });
});

test.each([
  ["a fraction", 0.5],
  ["memory type 1", 0x1019],
  ["walk length 2", 0x1016],
  ["a reserved bit", 0x111e],
  ["an address beyond MAXPHYADDR", 2 ** 40 + 0x1e],
])("EPTP with %s is refused", (_name, eptp) => {
  expect(() => new EptWalker(new LabMemory(), { eptp })).toThrowError(expect.objectContaining({ code: "MMU_EPTP" }));
});

test("EPTP says the levels", () => {
  expect(new EptWalker(new LabMemory(), { eptp: 0x1e }).levels).toBe(4);
  expect(new EptWalker(new LabMemory(), { eptp: 0x66 })).toMatchObject({ levels: 5, accessedDirty: true });
});
