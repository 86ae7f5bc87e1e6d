import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseArguments } from "./command-line/parse-arguments.ts";
import { openDrives } from "./drives.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-drives-"));
afterAll(() => rmSync(folder, { recursive: true }));
const image = join(folder, "disk.img");
const complain = (line: string): void => {
  throw new Error(line);
};
const drive = (properties = "") => ["-drive", `file=${image},if=virtio${properties}`];

test.each([
  ["nothing said", [], true],
  ["-snapshot", ["-snapshot"], false],
])("what the guest writes, with %s, reaches the image: %s %s", async (_, more, reaches) => {
  writeFileSync(image, new Uint8Array(1024));
  const { disks, close } = await openDrives(parseArguments([...drive(",serial=S1"), ...more]), complain);
  await disks[0]?.backend.write(1, new Uint8Array(512).fill(5));
  await close();
  expect([disks[0]?.serial, disks[0]?.backend.readOnly, readFileSync(image)[512]]).toEqual([
    "S1",
    false,
    reaches ? 5 : 0,
  ]);
});

test("a read-only drive stays one under -snapshot, and two machines may have it", async () => {
  const config = parseArguments([...drive(",readonly=on"), "-snapshot"]);
  const [first, second] = [await openDrives(config, complain), await openDrives(config, complain)];
  expect(first.disks[0]?.backend.readOnly).toBe(true);
  await first.close();
  await second.close();
});

test("drives for devices to name are kept apart", async () => {
  writeFileSync(image, new Uint8Array(1024));
  const value = `file=${image},if=none,id=d0,readonly=on,serial=S2`;
  const { disks, named, close } = await openDrives(parseArguments(["-drive", value]), complain);
  expect([disks, Object.keys(named), named["d0"]?.serial]).toEqual([[], ["d0"], "S2"]);
  await close();
});

test.runIf(process.platform === "linux")("an image that cannot be written is told what can be done", async () => {
  // A program that runs, which not even root may write.
  const busy = (more: string) =>
    openDrives(parseArguments(["-drive", `file=${process.execPath},if=virtio${more}`]), complain);
  await expect(busy("")).rejects.toMatchObject({
    code: "BACKEND_OPEN",
    message: `cannot open '${process.execPath}' for writing: ETXTBSY; write readonly=on or snapshot=on to leave it as it is`,
  });
});

test.runIf(process.platform === "linux")(
  "where there is no way past the host's cache, another mode is named",
  async () => {
    const drives = openDrives(parseArguments(["-drive", "file=/proc/self/mem,if=virtio,cache=none"]), complain);
    await expect(drives).rejects.toMatchObject({
      code: "BACKEND_DIRECT",
      message: "cannot open '/proc/self/mem' past the host's cache: EINVAL; write cache=writeback",
    });
  },
);

test("an image of another format is refused unless it is said to be raw", async () => {
  const other = join(folder, "other.qcow2");
  const bytes = new Uint8Array(1024);
  bytes.set([0x51, 0x46, 0x49, 0xfb]);
  writeFileSync(other, bytes);
  const openOther = (more: string) =>
    openDrives(parseArguments(["-drive", `file=${other},if=virtio${more}`]), complain);
  await expect(openOther("")).rejects.toMatchObject({
    code: "CONFIG_FILE",
    message: expect.stringContaining("looks like a qcow2 image, and only raw ones can be used; convert it with"),
  });
  await (await openOther(",format=raw")).close();
});

test("where one image cannot be opened, none stays open", async () => {
  const missing = ["-drive", `file=${join(folder, "missing.img")},if=virtio`];
  await expect(openDrives(parseArguments([...drive(), ...missing]), complain)).rejects.toMatchObject({
    code: "BACKEND_OPEN",
  });
  const again = await openDrives(parseArguments(drive()), complain);
  await again.close();
});
