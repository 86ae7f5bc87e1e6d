import { expect, test } from "vitest";
import { createInitialState, FXSAVE } from "./cpu-state.ts";
import { ENVIRONMENTS, WINDOWS, windowContents } from "./environment.ts";

/** FNV-1a over bytes: any change of a recorded starting point shows. */
function fingerprint(bytes: Uint8Array): string {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5).toString(16);
}

// Recorded vectors hold seeds only: when one of these changes, the whole corpus must be recorded again.
test("seeded states are what they were when the corpus was recorded", () => {
  const prints = (["integer", "single", "double", "x87", "mmx"] as const).map((flavour) => {
    const state = createInitialState(ENVIRONMENTS.long, 1234, flavour);
    const registers = fingerprint(new Uint8Array(state.gpr.buffer));
    const upper = fingerprint(state.fxsave.subarray(FXSAVE.ymm));
    return `${registers} ${fingerprint(state.fxsave.subarray(0, FXSAVE.ymm))} ${state.rflags.toString(16)} ${upper}`;
  });
  expect(prints).toMatchInlineSnapshot(`
    [
      "817ca2dc 373d07c5 a57 2962ccad",
      "817ca2dc a899d8c7 a57 c2a41e39",
      "817ca2dc 93f327bb a57 1f758744",
      "817ca2dc a3982f68 a57 9731ac07",
      "817ca2dc dc3967d2 a57 ef2cbb6a",
    ]
  `);
});

test("window contents are what they were when the corpus was recorded", () => {
  expect(WINDOWS.map((window) => fingerprint(windowContents(window)))).toMatchInlineSnapshot(`
    [
      "35e114f6",
      "c495e7ee",
      "40cb9dc5",
      "cce5a54b",
    ]
  `);
});

test("narrow environments start with 32-bit registers and without the upper eight", () => {
  const { gpr } = createInitialState(ENVIRONMENTS.flat32, 99, "integer");
  expect(Math.max(...Array.from(gpr, (value) => Number(value >> 32n)))).toBe(0);
  expect(gpr.subarray(8).every((value) => value === 0n)).toBe(true);
});

test("control words are the defaults unless the flavour varies them", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { fxsave } = createInitialState(ENVIRONMENTS.long, seed, "integer");
    const image = new DataView(fxsave.buffer);
    expect(image.getUint16(FXSAVE.fcw, true)).toBe(0x37f);
    expect(image.getUint32(FXSAVE.mxcsr, true)).toBe(0x1f80);
    expect(image.getUint8(FXSAVE.ftw)).toBe(0);
  }
});
