import { describe, expect, it } from "vitest";
import { allocateHostMemory } from "./host-memory.ts";

describe("allocateHostMemory", () => {
  it("puts RAM above the reserved bytes and rounds up to whole pages", () => {
    const host = allocateHostMemory({ reservedBytes: 0x20000, ramBytes: 0x10001 });
    expect(host.ramHva).toBe(0x20000);
    expect(host.memory.buffer.byteLength).toBe(0x40000);
  });

  it("cannot be grown, so views never detach", () => {
    const { memory } = allocateHostMemory({ reservedBytes: 0, ramBytes: 0x10000 });
    expect(() => (memory as unknown as { grow(n: number): void }).grow(1)).toThrow();
  });

  it("refuses more than 4 GiB in all with one line that names the limit", () => {
    const ask = () => allocateHostMemory({ reservedBytes: 0x100000, ramBytes: 2 ** 32 });
    expect(ask).toThrow(expect.objectContaining({ code: "CONFIG_MEMORY_SIZE" }));
    expect(ask).toThrow(/at most 4095 MiB/);
  });

  it("turns the host's refusal into a ConfigError that keeps the cause", () => {
    const host = globalThis as unknown as { WebAssembly: { Memory: unknown } };
    const original = host.WebAssembly.Memory;
    host.WebAssembly.Memory = class {
      constructor() {
        throw new RangeError("could not allocate memory");
      }
    };
    try {
      expect(() => allocateHostMemory({ reservedBytes: 0, ramBytes: 1 << 30 })).toThrow(
        expect.objectContaining({ code: "CONFIG_MEMORY_REFUSED", cause: expect.any(RangeError) }),
      );
    } finally {
      host.WebAssembly.Memory = original;
    }
  });
});
