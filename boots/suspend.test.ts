// Debian's kernel suspends to RAM and comes back by the RTC's alarm: processor, interrupt controllers, serial port and disk
// are set up again, memory is what it was.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shellOf, startConsole } from "./guest-console.ts";

const main = join(import.meta.dirname, "../packages/cli/src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsvm-suspend-"));
const image = join(folder, "disk.img");
writeFileSync(
  image,
  Uint8Array.from({ length: 1 << 20 }, (_, i) => i >>> 9),
);
afterAll(() => rmSync(folder, { recursive: true }));

test("a guest suspends to RAM, is woken by its clock, and finds everything there", async () => {
  const drive = `file=${image},if=virtio,format=raw,readonly=on`;
  const args = ["--conditions=@tsvm/source", main, "-drive", drive];
  const guest = startConsole(process.execPath, args, { name: "suspend" });
  try {
    const ask = await shellOf(guest);
    expect(await ask("cat /sys/power/mem_sleep")).toContain("[deep]");
    await ask("echo kept > /tmp/note; cd /sys/class/rtc/rtc0; before=$(cat since_epoch); echo +3 > wakealarm");
    expect(await ask("echo mem > /sys/power/state; echo suspended: $?")).toContain("suspended: 0");
    expect(await ask("echo slept: $(($(cat since_epoch) - before >= 3)); cat /tmp/note")).toMatch(/slept: 1\s+kept/);
    expect(await ask("dmesg | grep -c 'system sleep state S3'")).toMatch(/^2\r?$/m);
    const read = "dd if=/dev/vda bs=512 skip=5 count=1 2>/dev/null | hexdump -v -e '1/1 \"%d \"' | cut -c1-8";
    expect(await ask(read)).toContain("\n5 5 5 5 ");
    guest.type("poweroff -f\n");
    expect(await guest.exit).toBe(0);
  } finally {
    await guest.stop();
  }
}, 600_000);
