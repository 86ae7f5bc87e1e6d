// The least board: Debian's kernel finds virtio devices by ACPI, without PCI, and comes up to the same shell.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shellOf, startConsole } from "./guest-console.ts";

const main = join(import.meta.dirname, "../packages/cli/src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsvm-microvm-"));
const image = join(folder, "disk.img");
writeFileSync(
  image,
  Uint8Array.from({ length: 1 << 20 }, (_, i) => i >>> 9),
);
afterAll(() => rmSync(folder, { recursive: true }));

/** Boots to the shell on `machine`, asks `commands`, turns it off. */
async function boot(machine: string, commands: readonly string[]) {
  const drive = `file=${image},if=virtio,format=raw,readonly=on`;
  const args = ["--conditions=@tsvm/source", main, "-machine", machine, "-drive", drive];
  const started = performance.now();
  const guest = startConsole(process.execPath, args, { name: `microvm-${machine}` });
  try {
    const ask = await shellOf(guest);
    const seconds = (performance.now() - started) / 1000;
    const answers: string[] = [];
    for (const command of commands) answers.push(await ask(command));
    guest.type("poweroff -f\n");
    return { seconds, answers, exit: await guest.exit };
  } finally {
    await guest.stop();
  }
}

test("a microvm boots to the shell, reads its disk over MMIO, and turns off", async () => {
  const microvm = await boot("microvm", [
    "ls /sys/bus/pci/devices | wc -l; ls /sys/bus/platform/drivers/virtio-mmio",
    "dd if=/dev/vda bs=512 skip=5 count=1 2>/dev/null | hexdump -v -e '1/1 \"%d \"' | cut -c1-8",
    "grep virtio0 /proc/interrupts",
  ]);
  expect(microvm.answers[0]).toMatch(/^0\r?$/m);
  expect(microvm.answers[0]).toContain("LNRO0005:00");
  expect(microvm.answers[1]).toContain("\n5 5 5 5 ");
  expect(microvm.answers[2]).toMatch(/IO-APIC\s+16-fasteoi\s+virtio0/);
  expect(microvm.exit).toBe(0);
  const pc = await boot("pc", []);
  console.log(`to the shell: microvm ${microvm.seconds.toFixed(1)} s, pc ${pc.seconds.toFixed(1)} s`);
  expect(pc.exit).toBe(0);
}, 600_000);
