import { expect, it } from "vitest";
import { parseUuid } from "./uuid.ts";

it("stores the first three fields little-endian, the rest in order", () => {
  expect([...parseUuid("00112233-4455-6677-8899-AABBCCDDEEFF")]).toEqual([
    0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
  ]);
});

it.each(["", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFG", "{}"])(
  "refuses '%s'",
  (text) => {
    expect(() => parseUuid(text)).toThrow(expect.objectContaining({ code: "CONFIG_OPTION" }));
  },
);
