import { expect, it } from "vitest";
import { bytesOfBase64, decodeBase64 } from "./base64.ts";

it.each([0, 1, 2, 3, 4, 255, 256, 257])(
  "takes %i bytes back from base64, with the engine's help and without",
  (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 167) & 0xff);
    const text = Buffer.from(bytes).toString("base64");
    expect(decodeBase64(text)).toEqual(bytes);
    expect(bytesOfBase64(text)).toEqual(bytes);
  },
);
