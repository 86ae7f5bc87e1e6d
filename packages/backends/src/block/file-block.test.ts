import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  constants,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type FileBlock, type FileBlockOptions, openFileBlock } from "./file-block.ts";
import { findZeroRanges } from "./file-zeroes.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-file-block-"));
let images = 0;
const opened: FileBlock[] = [];
afterEach(async () => {
  for (const disk of opened.splice(0)) await disk.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

function makeImage(length: number): string {
  const path = join(folder, `disk${images++}.img`);
  writeFileSync(path, new Uint8Array(length));
  return path;
}

async function open(options: FileBlockOptions): Promise<FileBlock> {
  const disk = await openFileBlock(options);
  opened.push(disk);
  return disk;
}

testBlockBackend(
  "openFileBlock",
  () => open({ path: makeImage(CONTRACT_SECTORS * 512) }),
  () => open({ path: makeImage(CONTRACT_SECTORS * 512), readOnly: true }),
);

testBlockBackend("openFileBlock without help of the host for zeroes", () =>
  open({ path: makeImage(CONTRACT_SECTORS * 512), zeroRanges: null }),
);

testBlockBackend("openFileBlock past the host's cache", () =>
  open({ path: makeImage(CONTRACT_SECTORS * 512), direct: true }),
);

/** What Linux says of the open files of this process that are `path`: proc(5), "/proc/pid/fdinfo". */
function openFlags(path: string): readonly number[] {
  const numbers = readdirSync("/proc/self/fd").filter((fd) => linkOf(`/proc/self/fd/${fd}`) === path);
  return numbers.map((fd) =>
    Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8),
  );
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

describe.runIf(constants.O_DIRECT !== undefined)("past the host's cache", () => {
  it.each([false, true])("the host is told so (read-only: %s)", async (readOnly) => {
    const path = makeImage(1024);
    await open({ path, readOnly, direct: true });
    expect(openFlags(path).map((flags) => flags & constants.O_DIRECT)).toEqual([constants.O_DIRECT]);
    const other = makeImage(1024);
    await open({ path: other, readOnly });
    expect(openFlags(other).map((flags) => flags & constants.O_DIRECT)).toEqual([0]);
  });

  it("carries pieces larger than its memory, from wherever they stand", async () => {
    const sectors = 4096;
    const disk = await open({ path: makeImage(sectors * 512), direct: true });
    const written = Uint8Array.from({ length: (sectors - 2) * 512 + 1 }, (_, i) => i ^ (i >>> 8) ^ (i >>> 16));
    await disk.write(1, written.subarray(1));
    const read = new Uint8Array(written.length);
    await disk.read(1, read.subarray(1));
    read[0] = written[0] as number;
    expect(Buffer.compare(read, written)).toBe(0);
  });

  it.each([
    ["is missing", () => join(folder, "nowhere.img"), "BACKEND_OPEN", "ENOENT"],
    ["is a folder", () => folder, "BACKEND_OPEN", "EISDIR"],
    ["is empty", () => makeImage(0), "BACKEND_SIZE", "shorter than one sector"],
    ["is no file", () => "/proc/self/mem", "BACKEND_DIRECT", "past the host's cache: EINVAL"],
  ])("refuses an image that %s", async (_, path, code, reason) => {
    await expect(openFileBlock({ path: path(), direct: true })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(reason),
    });
  });
});

const ranges = findZeroRanges();
it.runIf(ranges !== undefined)("gives discarded storage back to the host", async () => {
  const path = makeImage(0);
  writeFileSync(path, new Uint8Array(4 << 20).fill(1));
  const disk = await open({ path });
  await disk.flush();
  const before = statSync(path).blocks;
  await disk.discard?.(2048, 2048);
  await disk.writeZeroes?.(6144, 2048, true);
  expect(before - statSync(path).blocks).toBeGreaterThanOrEqual(4000);
  const bytes = readFileSync(path);
  expect([bytes.length, bytes[(1 << 20) - 1], bytes[1 << 20], bytes[2 << 20], bytes[3 << 20]]).toEqual([
    4 << 20,
    1,
    0,
    1,
    0,
  ]);
});

it("has that help on Linux with a Node that has foreign functions", () => {
  const expected = process.platform === "linux" && process.getBuiltinModule?.("node:ffi" as "node:fs") !== undefined;
  expect(ranges !== undefined).toBe(expected);
});

describe("openFileBlock", () => {
  it("writes into the file, at the sector's place", async () => {
    const path = makeImage(2048);
    const disk = await open({ path });
    await disk.write(2, new Uint8Array(512).fill(7));
    await disk.close();
    await disk.close();
    const bytes = readFileSync(path);
    expect([bytes.length, bytes[1023], bytes[1024], bytes[1535], bytes[1536]]).toEqual([2048, 0, 7, 7, 0]);
  });

  it.each([
    ["is missing", () => join(folder, "nowhere.img"), "BACKEND_OPEN", "ENOENT"],
    ["is a folder", () => folder, "BACKEND_OPEN", folder],
    ["is empty", () => makeImage(0), "BACKEND_SIZE", "shorter than one sector"],
    ["is shorter than a sector", () => makeImage(511), "BACKEND_SIZE", "shorter than one sector"],
    ["is not whole sectors", () => makeImage(1000), "BACKEND_SIZE", "not a multiple"],
  ])("says in one line that the image %s", async (_, path, code, message) => {
    const error = await openFileBlock({ path: path() }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain("\n");
  });

  it("rejects a read when the file has become shorter", async () => {
    const path = makeImage(4096);
    const disk = await open({ path });
    truncateSync(path, 1024);
    await expect(disk.read(1, new Uint8Array(1024))).rejects.toMatchObject({ code: "BACKEND_READ" });
  });

  it("lets one machine write, by whatever name the file goes, and any number read", async () => {
    const path = makeImage(512);
    const alias = `${path}.link`;
    linkSync(path, alias);
    const first = await open({ path });
    for (const name of [path, alias]) {
      await expect(open({ path: name })).rejects.toMatchObject({ code: "BACKEND_LOCKED" });
    }
    await open({ path, readOnly: true });
    await first.close();
    await open({ path: alias });
  });

  it("holds the lock against other processes, and loses it when the process is killed", async () => {
    const path = makeImage(512);
    const source = `
      import { openFileBlock } from ${JSON.stringify(join(import.meta.dirname, "file-block.ts"))};
      await openFileBlock({ path: process.argv[1] });
      console.log("open");
      setInterval(() => {}, 1000);`;
    const flags = ["--conditions=@tsvm/source", "--input-type=module", "-e", source, path];
    const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await expect(open({ path })).rejects.toMatchObject({ code: "BACKEND_LOCKED" });
    child.kill("SIGKILL");
    await once(child, "exit");
    await open({ path });
  });
});

it.runIf(process.platform === "linux")(
  "a full host rejects the write",
  async () => {
    const path = makeImage(1024);
    const source = `
    import { openFileBlock } from ${JSON.stringify(join(import.meta.dirname, "file-block.ts"))};
    const disk = await openFileBlock({ path: process.argv[1] });
    process.on("SIGXFSZ", () => {});
    await disk.write(1, new Uint8Array(512)).catch((error) => console.log(error.code, error.message));
    await disk.close();`;
    // A limit on the size of files stands in for a full disk: the kernel refuses the write in the same way.
    const node = `${process.execPath} --conditions=@tsvm/source --input-type=module -e "$1" "$2"`;
    const output = execFileSync("bash", ["-c", `ulimit -f 0; exec ${node}`, "bash", source, path]).toString();
    expect(output).toContain(`BACKEND_WRITE cannot write '${path}': EFBIG`);
  },
  30_000,
);
