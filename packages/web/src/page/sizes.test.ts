import { expect, test } from "vitest";
import { sizeText } from "./sizes.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [16 << 20, "16 MiB"],
  [2.5 * 2 ** 30, "2.5 GiB"],
  [3 * 2 ** 40, "3 TiB"],
  [2 ** 60, "1048576 TiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
