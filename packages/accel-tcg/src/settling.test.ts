import { describe, expect, test } from "vitest";
import { Settling } from "./settling.ts";

const LIMIT = 40_000;

describe("when a block is hot", () => {
  test("in any case at the limit", () => {
    const settling = new Settling();
    expect(settling.isHot(LIMIT, LIMIT, 1_000_000, 50_000)).toBe(true);
    expect(settling.isHot(LIMIT - 1, LIMIT, 1_000_000, 50_000)).toBe(false);
  });

  test("sooner in a guest that has decoded nothing for a while", () => {
    const settling = new Settling();
    expect(settling.isHot(16_384, LIMIT, 1_000_000, 50_000)).toBe(false);
    expect(settling.isHot(16_384, LIMIT, 11_000_000, 50_000)).toBe(false);
    expect(settling.isHot(12_288, LIMIT, 41_000_000, 50_000)).toBe(false);
    expect(settling.isHot(16_384, LIMIT, 41_000_000, 50_000)).toBe(true);
  });

  test("no sooner when it goes on to new code again", () => {
    const settling = new Settling();
    settling.isHot(0, LIMIT, 1_000_000, 50_000);
    expect(settling.isHot(16_384, LIMIT, 100_000_000, 50_010)).toBe(true);
    expect(settling.isHot(16_384, LIMIT, 101_000_000, 51_000)).toBe(false);
  });

  test("no sooner in one that decodes a little all the time", () => {
    const settling = new Settling();
    const asked = Array.from({ length: 100 }, (_, i) => settling.isHot(16_384, LIMIT, i * 1_000_000, i * 300));
    expect(asked.slice(1)).not.toContain(true);
  });
});
