import { beforeEach, describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";

let m: InsnMachine;
let memory: DataView;
function use(codeBits: 16 | 32 | 64): void {
  m = new InsnMachine(codeBits);
  memory = new DataView(m.ram.buffer, m.ram.byteOffset);
}
beforeEach(() => use(64));

describe("PUSH and POP", () => {
  it("are of 64 bits in 64-bit code, of 16 with 66", () => {
    m.set({ rsp: 0x5000, rax: 0x1122_3344_5566_7788n }).run("50");
    expect([m.get("rsp"), memory.getBigUint64(0x4ff8, true)]).toEqual([0x4ff8n, 0x1122_3344_5566_7788n]);
    m.set({ rcx: -1 }).run("6659");
    expect([m.get("rsp"), m.get("rcx")]).toEqual([0x4ffan, 0xffff_ffff_ffff_7788n]);
    m.run("6a80");
    expect(memory.getBigInt64(0x4ff2, true)).toBe(-128n);
  });

  it("of rSP push the old value and pop the new one", () => {
    m.set({ rsp: 0x5000 }).run("54");
    expect(memory.getBigUint64(0x4ff8, true)).toBe(0x5000n);
    m.run("5c");
    expect(m.get("rsp")).toBe(0x5000n);
  });

  it("POP through rSP uses the incremented one", () => {
    memory.setBigUint64(0x4ff8, 77n, true);
    m.set({ rsp: 0x4ff8 }).run("8f442408");
    expect([m.get("rsp"), memory.getBigUint64(0x5008, true)]).toEqual([0x5000n, 77n]);
  });

  it.each([
    [32, "across the end of 4 GiB", 2n, "57"],
    [32, "across it, popping", 0xffff_fffen, "5f"],
    [64, "at no canonical address", 1n << 63n, "57"],
    [64, "at none, calling", 1n << 63n, "e800000000"],
    [32, "across it, of an operand in DS", 2n, "ff37"],
    [32, "across it, popping to DS", 0xffff_fffen, "8f07"],
    [32, "across it, calling through DS", 2n, "ff17"],
    [64, "at none, of an operand in DS", 1n << 63n, "ff37"],
    [64, "at none, popping to DS", 1n << 63n, "8f07"],
    [64, "at none, calling through DS", 1n << 63n, "ff17"],
  ] as const)("in %i-bit code %s are #SS", (bits, _, rsp, code) => {
    use(bits);
    m.set({ rsp }).run(code);
    expect(m.fault).toBe("#SS(0)");
  });

  it.each([
    [32, "across the end of 4 GiB", 0xffff_fffen],
    [64, "at no canonical address", 1n << 63n],
  ] as const)("in %i-bit code operands in DS %s are #GP", (bits, _, rdi) => {
    use(bits);
    for (const code of ["ff37", "8f07", "ff17"]) {
      m.set({ rsp: 0x5000, rdi }).run(code);
      expect([m.fault, m.get("rsp")]).toEqual(["#GP(0)", 0x5000n]);
    }
  });

  it("wrap around at 64 KiB in a 16-bit stack, the upper half of ESP staying", () => {
    use(16);
    m.set({ rsp: 0xabcd_0000, rax: 0x1234 }).run("50");
    expect([m.get("rsp"), memory.getUint16(0xfffe, true)]).toEqual([0xabcd_fffen, 0x1234]);
  });

  it("raise #SS(0) beyond the limit and move nothing", () => {
    use(32);
    m.limit("ss", 0x0fff).set({ rsp: 0x1004 }).run("50");
    expect([m.fault, m.get("rsp")]).toEqual(["#SS(0)", 0x1004n]);
  });
});

describe("PUSHA and POPA", () => {
  it("keep all registers but take ESP from the count", () => {
    use(32);
    const values = { rax: 1, rcx: 2, rdx: 3, rbx: 4, rbp: 5, rsi: 6, rdi: 7 };
    m.set({ ...values, rsp: 0x5000 }).run("60");
    expect([m.get("rsp"), memory.getUint32(0x4fec, true)]).toEqual([0x4fe0n, 0x5000]);
    m.set({ rax: 0, rcx: 0, rdx: 0, rbx: 0, rbp: 0, rsi: 0, rdi: 0 }).run("61");
    for (const [name, value] of Object.entries(values)) expect(m.get(name as keyof typeof values)).toBe(BigInt(value));
    expect(m.get("rsp")).toBe(0x5000n);
  });

  it("that fault halfway have changed no register, and can be begun again", () => {
    use(32);
    const values = { rax: 1, rcx: 2, rdx: 3, rbx: 4, rbp: 5, rsi: 6, rdi: 7 };
    const kept = (): void => {
      for (const [name, value] of Object.entries(values))
        expect(m.get(name as keyof typeof values)).toBe(BigInt(value));
    };
    m.limit("ss", 0x5fff)
      .set({ ...values, rsp: 0x5ff0 })
      .run("61");
    expect([m.fault, m.get("rsp")]).toEqual(["#SS(0)", 0x5ff0n]);
    kept();
    m.set({ rsp: 0x6010 }).run("60");
    expect([m.fault, m.get("rsp")]).toEqual(["#SS(0)", 0x6010n]);
    kept();
  });
});

describe("ENTER and LEAVE", () => {
  it("make a frame and take it down", () => {
    m.set({ rsp: 0x5000, rbp: 0x7000 }).run("c8200000");
    expect([m.get("rbp"), m.get("rsp"), memory.getBigUint64(0x4ff8, true)]).toEqual([0x4ff8n, 0x4fd8n, 0x7000n]);
    m.run("c9");
    expect([m.get("rbp"), m.get("rsp")]).toEqual([0x7000n, 0x5000n]);
  });

  it("copies the outer frames' pointers", () => {
    memory.setBigUint64(0x6ff8, 0xaaan, true);
    memory.setBigUint64(0x6ff0, 0xbbbn, true);
    m.set({ rsp: 0x5000, rbp: 0x7000 }).run("c8100003");
    const frame = [0x4ff8, 0x4ff0, 0x4fe8, 0x4fe0].map((at) => memory.getBigUint64(at, true));
    expect(frame).toEqual([0x7000n, 0xaaan, 0xbbbn, 0x4ff8n]);
    expect([m.get("rbp"), m.get("rsp")]).toEqual([0x4ff8n, 0x4fd0n]);
  });

  it("on a 16-bit stack wraps in SP, and gives EBP the bits above as they are", () => {
    use(16);
    // enter 8, 0 with a 32-bit operand size
    m.set({ rsp: 0x1_0000, rbp: 0x1_2345 }).run("66c8080000");
    expect([m.get("rbp"), m.get("rsp"), memory.getUint32(0xfffc, true)]).toEqual([0x1_fffcn, 0x1_fff4n, 0x1_2345]);
  });

  it("faults before anything moves if the new top cannot be written", () => {
    use(32);
    m.limit("ss", 0x4fff).set({ rsp: 0x1000, rbp: 0x2000 }).run("c8ffff00");
    expect([m.fault, m.get("rsp"), m.get("rbp")]).toEqual(["#SS(0)", 0x1000n, 0x2000n]);
  });
});
