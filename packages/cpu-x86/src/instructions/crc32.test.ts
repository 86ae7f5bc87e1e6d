import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";

describe("CRC32", () => {
  const message = new TextEncoder().encode("123456789");

  /** The check value of CRC-32C in every catalogue: the complement of what the instruction leaves of all ones. */
  it.each([
    ["bytes", "f20f38f0c1", 1],
    ["words and a byte", "66f20f38f1c1", 2],
    ["quadwords and a byte", "f2480f38f1c1", 8],
  ])("of '123456789' by %s is e3069283h", (_, code, step) => {
    const m = new InsnMachine(64).set({ rax: 0xffff_ffff });
    for (let at = 0; at < message.length; ) {
      const whole = at + step <= message.length;
      const chunk = message.subarray(at, whole ? at + step : at + 1);
      const value = [...chunk].reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
      m.set({ rcx: value }).run(whole ? code : "f20f38f0c1");
      at += chunk.length;
    }
    expect(m.get("rax") ^ 0xffff_ffffn).toBe(0xe306_9283n);
  });
});
