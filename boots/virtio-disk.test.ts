// Debian's own virtio drivers on our disk: what the guest writes is in the image, and with -snapshot it is not. A host
// whose disk is full is an I/O error in the guest and one line outside.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shellOf, startConsole } from "./guest-console.ts";

const SECTORS = 32_768;
/** KiB of a file that the host lets the machine write: it stands in for a full disk. */
const WRITABLE_KIB = 12_288;
const main = join(import.meta.dirname, "../packages/cli/src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsvm-boots-"));
const image = join(folder, "disk.img");
afterAll(() => rmSync(folder, { recursive: true }));

/** Every sector says which one it is. */
function freshImage(): Uint8Array {
  const bytes = new Uint8Array(SECTORS * 512);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, at >>> 9, true);
  return bytes;
}

test.each([
  ["reaches the image", []],
  ["is dropped by -snapshot", ["-snapshot"]],
])("the guest reads its disk, and what it writes %s", async (_, more) => {
  const before = freshImage();
  writeFileSync(image, before);
  const drive = `file=${image},if=virtio,format=raw,serial=tsvm-disk`;
  const args = ["--conditions=@tsvm/source", main, "-drive", drive, ...more];
  // A snapshot's temporary file has the size of the image from the start: the limit is for writing the image itself.
  const limit = more.length > 0 ? "unlimited" : WRITABLE_KIB;
  const limited = ["-c", `ulimit -f ${limit}; exec "$@"`, "bash", process.execPath, ...args];
  const guest = startConsole("bash", limited, { name: `virtio-disk${more.join("")}` });
  try {
    const ask = await shellOf(guest);
    expect(await ask("cat /sys/block/vda/serial /sys/block/vda/size")).toContain(`tsvm-disk${SECTORS}`);
    expect(await ask("dd if=/dev/vda bs=512 skip=30000 count=1 2>/dev/null | od -An -tu4 -N4")).toMatch(/^\s+30000\s/m);
    await ask("tr '\\0' x </dev/zero | head -c 1048576 >/tmp/xs");
    await ask("dd if=/tmp/xs of=/dev/vda bs=64k seek=3 conv=fsync");
    expect(await ask("dd if=/dev/vda bs=64k skip=3 count=16 2>/dev/null | tr -d x | wc -c")).toMatch(/^0\r?$/m);
    const beyond = "dd if=/tmp/xs of=/dev/vda bs=64k seek=200 count=16 conv=fsync && echo written";
    expect((await ask(beyond)).includes("\nwritten")).toBe(more.length > 0);
    // It comes by another pipe than the guest's answer.
    const complaints = (): number => guest.transcript.match(/tsvm: cannot write .*disk\.img': EFBIG/g)?.length ?? 0;
    await expect.poll(complaints).toBe(1 - more.length);
    expect(await ask("grep -c PCI-MSI.*virtio0 /proc/interrupts")).toMatch(/^2\r?$/m);
    guest.type("poweroff -f\n");
    expect(await guest.exit).toBe(0);
  } finally {
    await guest.stop();
  }
  if (more.length === 0) before.fill(0x78, 3 << 16, 19 << 16);
  expect(Buffer.compare(readFileSync(image), before)).toBe(0);
});
