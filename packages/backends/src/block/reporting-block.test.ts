import { BackendError, type BlockBackend } from "@tsvm/contracts";
import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { createMemoryBlock } from "./memory-block.ts";
import { createOverlayBlock } from "./overlay-block.ts";
import { createReportingBlock } from "./reporting-block.ts";

const memory = (readOnly = false) => createMemoryBlock({ bytes: new Uint8Array(CONTRACT_SECTORS * 512), readOnly });
const silent = (backend: BlockBackend) =>
  createReportingBlock({
    backend,
    report: () => {},
  });

testBlockBackend(
  "createReportingBlock",
  async () => silent(createOverlayBlock(memory(true))),
  async () => silent(memory(true)),
);

it("tells of trouble once, then at most every five seconds how often it was", async () => {
  const lines: string[] = [];
  let now = 0;
  let full = true;
  const backend: BlockBackend = {
    ...memory(),
    write: async () => {
      if (full) throw new BackendError("BACKEND_WRITE", "cannot write 'x': ENOSPC");
    },
    flush: () => Promise.reject(new BackendError("BACKEND_FLUSH", "cannot flush 'x': EIO")),
  };
  const disk = createReportingBlock({ backend, report: (line) => lines.push(line), nowMs: () => now });
  const fail = async (): Promise<void> => {
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: "BACKEND_WRITE" });
  };
  await fail();
  now = 4_999;
  await fail();
  await fail();
  expect(lines).toEqual(["cannot write 'x': ENOSPC"]);
  now = 5_000;
  await expect(disk.flush()).rejects.toMatchObject({ code: "BACKEND_FLUSH" });
  full = false;
  await disk.write(0, new Uint8Array(512));
  now = 60_000;
  full = true;
  await fail();
  expect(lines.slice(1)).toEqual(["cannot flush 'x': EIO (2 more since the last message)", "cannot write 'x': ENOSPC"]);
});

it("has no ways of its own to discard or to write zeroes", () => {
  const { discard, writeZeroes, ...plain } = memory();
  expect(writeZeroes).toBeDefined();
  expect(Object.keys(silent({ ...plain, ...(discard && { discard }) }))).not.toContain("writeZeroes");
});
