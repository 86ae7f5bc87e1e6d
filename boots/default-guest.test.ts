// Acceptance: from `tsvm` to the shell of Debian's kernel, and off again with exit code 0.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GuestConsole, type Shell, shellOf, startConsole } from "./guest-console.ts";

const main = join(import.meta.dirname, "../packages/cli/src/main.ts");
let guest: GuestConsole;
let ask: Shell;

beforeAll(() => {
  guest = startConsole(process.execPath, ["--conditions=@tsvm/source", main], { name: "default-guest" });
});
afterAll(() => guest.stop());

test("the kernel comes up to a shell", async () => {
  ask = await shellOf(guest);
  expect(guest.transcript).toMatch(/Linux version 6\./);
});
test("the kernel knows its processor", async () => {
  expect(await ask("cat /proc/cpuinfo")).toMatch(/model name\s*: \S/);
});
test("the kernel log is kept", async () => {
  expect(await ask("dmesg | head -n 3")).toContain("Command line: console=ttyS0");
});
test("the PCI bus is scanned", async () => {
  expect(await ask("ls /sys/bus/pci/devices")).toContain("0000:00:00.0");
  // Newer kernels say ECAM.
  expect(await ask("dmesg | grep -i 'pci: .*0xe0000000'")).toMatch(/(MMCONFIG|ECAM).*reserved/);
});
test("a paste of 4 KiB arrives whole", async () => {
  const words = Array.from({ length: 160 }, (_, i) => `${i}`.padStart(7, "w"));
  const lines = words.map((word) => `echo ${word} >>/tmp/paste\n`);
  guest.type(lines.join(""));
  guest.type("echo pasted $(wc -l </tmp/paste) $(sort -u /tmp/paste | wc -l)\n");
  // To the end of the line: what is heard ends anywhere.
  expect(await guest.waitFor(/^pasted \d+ \d+\r?\n/m)).toMatch(/pasted 160 160\r?\n$/);
});
test("power-off ends the process with exit code 0", async () => {
  guest.type("poweroff -f\n");
  expect(await guest.exit).toBe(0);
  expect(guest.transcript).toContain("reboot: Power down");
});
