import { describe, expect, test } from "vitest";
import { createRegisterMoves } from "./register-moves.ts";

const memory = new WebAssembly.Memory({ initial: 1 });
const bytes = new Uint8Array(memory.buffer);
const moves = createRegisterMoves(memory);

describe("moves of registers", () => {
  test("copy the pieces and nothing between them", () => {
    bytes.fill(0);
    for (let i = 0; i < 256; i++) bytes[i] = i;
    moves.copy(16, 64, 0x1000, 32, 32, 3);
    const piece = (from: number): number[] => Array.from({ length: 32 }, (_, i) => from + i);
    expect([...bytes.subarray(0x1000, 0x1060)]).toEqual([...piece(16), ...piece(80), ...piece(144)]);
    expect(bytes.subarray(0x1060, 0x1080).some((byte) => byte !== 0)).toBe(false);
  });

  test("clear the pieces and nothing between them", () => {
    bytes.fill(0xff, 0, 256);
    moves.clear(32, 64, 16, 2);
    const cleared = [...bytes.subarray(0, 256).entries()].filter(([, byte]) => byte === 0).map(([at]) => at);
    expect(cleared).toEqual([...Array(16).keys()].flatMap((i) => [32 + i, 96 + i]).sort((a, b) => a - b));
  });

  test("a single bit of any piece, and none between them, is seen", () => {
    bytes.fill(0, 0, 256);
    bytes[40] = 1;
    expect(moves.areZero(0, 64, 32, 3)).toBe(1);
    bytes[159] = 0x80;
    expect(moves.areZero(0, 64, 32, 3)).toBe(0);
    expect(moves.areZero(0, 64, 32, 2)).toBe(1);
  });

  test("of no pieces nothing is touched", () => {
    bytes.fill(7, 0, 64);
    moves.clear(0, 16, 16, 0);
    moves.copy(0, 16, 0x1000, 16, 16, 0);
    expect(moves.areZero(0, 16, 16, 0)).toBe(1);
    expect(bytes[0]).toBe(7);
  });
});
