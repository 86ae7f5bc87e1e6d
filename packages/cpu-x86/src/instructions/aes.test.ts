import { beforeEach, describe, expect, it } from "vitest";
import { VectorMachine, vectorSource } from "../../test/vector-machine.ts";

let m: VectorMachine;
beforeEach(() => {
  m = new VectorMachine();
});

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("AES", () => {
  it("encrypts as FIPS 197, appendix B does in its first round", () => {
    // Start of round 1, round key 1, start of round 2.
    const state = hex("193de3bea0f4e22b9ac68d2ae9f84808");
    expect(text(m.apply("660f38dcc1", state, hex("a0fafe1788542cb123a339392a6c7605")))).toBe(
      "a49c7ff2689f352b6b5bea43026a5049",
    );
  });

  it("decryption undoes encryption", () => {
    const [plain, zero] = [hex("00112233445566778899aabbccddeeff"), new Uint8Array(16)];
    const encrypted = m.apply("660f38ddc1", plain, zero); // AESENCLAST
    expect(text(m.apply("660f38dfc1", encrypted, zero))).toBe(text(plain)); // AESDECLAST
  });
});

/** Product in the field, by the school method. */
function multiply(x: number, y: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product & 0x80) !== 0 ? 0x11b : 0);
    if (((y >> bit) & 1) !== 0) product ^= x;
  }
  return product;
}

/** SDM vol. 2A, GF2P8AFFINEQB, "Operation". */
function affineByte(matrix: Uint8Array, x: number, constant: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) {
    let parity = (constant >> bit) & 1;
    for (let i = 0; i < 8; i++) parity ^= ((matrix[7 - bit]! & x) >> i) & 1;
    result |= parity << bit;
  }
  return result;
}

describe("GFNI, which no processor at hand has", () => {
  const next = vectorSource(5);

  it("GF2P8MULB multiplies bytes", () => {
    for (let i = 0; i < 20; i++) {
      const [x, y] = [next(), next()];
      expect([...m.apply("660f38cfc1", x, y)]).toEqual([...x].map((byte, j) => multiply(byte, y[j]!)));
    }
  });

  it("GF2P8AFFINEQB applies a matrix to each half", () => {
    for (let i = 0; i < 20; i++) {
      const [x, y] = [next(), next()];
      const expected = [...x].map((byte, j) => affineByte(y.subarray(j & 8, (j & 8) + 8), byte, 0x5a));
      expect([...m.apply("660f3acec15a", x, y)]).toEqual(expected);
    }
  });

  it("GF2P8AFFINEINVQB with the matrix of AES is its substitution", () => {
    const matrix = hex("f87c3e1f8fc7e3f1");
    const both = Uint8Array.from([...matrix, ...matrix]);
    for (let i = 0; i < 20; i++) {
      const x = next();
      // AESENCLAST shifts rows as well: the bytes of one value do not care.
      const [byte] = x as unknown as [number];
      const substituted = m.apply("660f38ddc1", new Uint8Array(16).fill(byte), new Uint8Array(16))[0];
      expect(m.apply("660f3acfc163", new Uint8Array(16).fill(byte), both)[0]).toBe(substituted);
    }
  });
});

describe("PCLMULQDQ", () => {
  it("multiplies the chosen halves without carries", () => {
    const x = hex("ffffffffffffffff0300000000000000");
    const y = hex("02000000000000000500000000000000");
    expect(text(m.apply("660f3a44c100", x, y))).toBe("feffffffffffffff0100000000000000");
    expect(text(m.apply("660f3a44c111", x, y))).toBe("0f000000000000000000000000000000");
  });
});
