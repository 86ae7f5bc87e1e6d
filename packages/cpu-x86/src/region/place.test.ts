import { describe, expect, it } from "vitest";
import { COPY_SPAN, copyOf, offsetOf } from "./place.ts";

describe("a place", () => {
  const ends = [0, 1, -1, 0xfff, -0x1000, 2 ** 27, -(2 ** 27), 2 ** 31 + 2 ** 25, -(2 ** 31) - 2 ** 25];

  it.each(ends)("tells the offset %i and the copy, as far as a relative branch may lead", (offset) => {
    for (const number of [0, 1, 300]) {
      const place = number * COPY_SPAN + offset;
      expect([copyOf(place), offsetOf(place)]).toEqual([number * COPY_SPAN, offset]);
    }
  });
});
