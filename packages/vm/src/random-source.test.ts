import { expect, test } from "vitest";
import { createHostRandom, createSeededRandom } from "./random-source.ts";

test("the host's numbers are handed out once each, fetched in batches", () => {
  let calls = 0;
  let next = 0;
  const random = createHostRandom({
    crypto: {
      getRandomValues(words: Uint32Array): void {
        calls++;
        for (let i = 0; i < words.length; i++) words[i] = next++;
      },
    },
  });
  const taken = Array.from({ length: 600 }, () => random?.());
  expect(taken).toEqual(Array.from({ length: 600 }, (_, i) => i));
  expect(calls).toBe(3);
});

test("an engine without crypto has no numbers", () => {
  expect(createHostRandom({})).toBeUndefined();
});

test("this engine's are 32-bit and differ", () => {
  const random = createHostRandom();
  const taken = Array.from({ length: 1000 }, () => random?.() ?? -1);
  expect(new Set(taken).size).toBeGreaterThan(990);
  for (const word of taken) expect(word).toBe(word >>> 0);
});

test("a seed gives the same words again, in which every bit varies", () => {
  const [one, same, other] = [createSeededRandom(7), createSeededRandom(7), createSeededRandom(8)];
  const words = Array.from({ length: 2000 }, () => one());
  expect(Array.from({ length: 2000 }, () => same())).toEqual(words);
  expect(other()).not.toBe(words[0]);
  for (let bit = 0; bit < 32; bit++) {
    const ones = words.filter((word) => ((word >>> bit) & 1) !== 0).length;
    // Six standard deviations of a fair coin.
    expect(Math.abs(ones - 1000)).toBeLessThan(135);
  }
});
