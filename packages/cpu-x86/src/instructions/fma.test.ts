import { beforeEach, describe, expect, it } from "vitest";
import { bytesOf, VectorMachine } from "../../test/vector-machine.ts";
import { multiplyAdd } from "../sse/float-arithmetic.ts";
import { contextOf, DOUBLE, MXCSR } from "../sse/float-format.ts";
import { CR4 } from "../state/bits.ts";

let m: VectorMachine;
beforeEach(() => {
  m = new VectorMachine();
  m.cpu.setLow("cr4", m.cpu.low("cr4") | CR4.OSXSAVE);
  m.cpu.setLow("xcr0", 7);
  m.mxcsr = 0x1f80 | MXCSR.PE;
});

/** VFMADD213SD xmm0, xmm1, xmm2: xmm1 * xmm0 + xmm2. */
const SCALAR = "c4e2f1a9c2";
/** VFMADD213PS xmm0, xmm1, xmm2. */
const SINGLES = "c4e271a8c2";

function fused(hex: string, x: Float32Array | Float64Array, y: typeof x, z: typeof x): Uint8Array {
  m.xmm(2).set(bytesOf(z));
  return m.apply(hex, bytesOf(x), bytesOf(y));
}

const double = (x: number, y: number, z: number): number =>
  new Float64Array(fused(SCALAR, Float64Array.of(x, 0), Float64Array.of(y, 0), Float64Array.of(z, 0)).buffer)[0]!;

let state = 7;
const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
/** Full significands, with exponents near enough that products and addends meet. */
const anyDouble = (): number =>
  (random() / 2 ** 32 + random() / 2 ** 64 + 1) * 2 ** ((random() % 120) - 60) * (random() & 1 ? 1 : -1);

describe("fused multiplication", () => {
  it("rounds once", () => {
    const x = 1 + 2 ** -30;
    // x * x = 1 + 2^-29 + 2^-60: the last term is lost if the product is rounded by itself.
    expect(double(x, x, -(1 + 2 ** -29))).toBe(2 ** -60);
    expect(x * x - (1 + 2 ** -29)).toBe(0);
  });

  it("agrees with exact integers on random doubles", () => {
    const view = new DataView(new ArrayBuffer(8));
    const bits = (value: number): bigint => {
      view.setFloat64(0, value);
      return view.getBigUint64(0);
    };
    for (let i = 0; i < 400; i++) {
      const [x, y] = [anyDouble(), anyDouble()];
      // Often a near miss of the product, so that most of it cancels.
      const z = i % 3 === 0 ? -(x * y) * (1 + (random() % 5) * 2 ** -52) : anyDouble();
      const exact = multiplyAdd(contextOf(0x1f80), DOUBLE, bits(x), bits(y), bits(z), {
        product: false,
        addend: false,
      });
      expect(bits(double(x, y, z)), `${x} * ${y} + ${z}`).toBe(exact);
    }
  });

  it("singles are rounded once too", () => {
    const x = Math.fround(1 + 2 ** -12);
    const z = Math.fround(-(1 + 2 ** -11));
    const four = (value: number): Float32Array => Float32Array.of(value, value, value, value);
    expect([...new Float32Array(fused(SINGLES, four(x), four(x), four(z)).buffer)]).toEqual(
      new Array(4).fill(2 ** -24),
    );
  });

  it("notes precision only where something was rounded away", () => {
    m.mxcsr = 0x1f80;
    double(3, 5, 7);
    expect(m.mxcsr & MXCSR.PE).toBe(0);
    double(0.1, 0.1, 1);
    expect(m.mxcsr & MXCSR.PE).toBe(MXCSR.PE);
  });
});
