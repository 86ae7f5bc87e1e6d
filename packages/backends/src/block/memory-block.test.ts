import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { createMemoryBlock } from "./memory-block.ts";

testBlockBackend(
  "createMemoryBlock",
  async () => createMemoryBlock({ bytes: new Uint8Array(CONTRACT_SECTORS * 512) }),
  async () => createMemoryBlock({ bytes: new Uint8Array(CONTRACT_SECTORS * 512), readOnly: true }),
);

it("refuses what is not whole sectors", () => {
  expect(() => createMemoryBlock({ bytes: new Uint8Array(0) })).toThrow("shorter than one sector");
  expect(() => createMemoryBlock({ bytes: new Uint8Array(513) })).toThrow("not a multiple");
});
