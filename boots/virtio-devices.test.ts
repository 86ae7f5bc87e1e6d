// Debian's own drivers on the other virtio devices, all of them from the command line, as QEMU spells it.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GuestConsole, type Shell, shellOf, startConsole } from "./guest-console.ts";

const UUID = "550e8400-e29b-41d4-a716-446655440000";
const main = join(import.meta.dirname, "../packages/cli/src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsvm-devices-"));
const at = (name: string): string => join(folder, name);
const OPTIONS = [
  ...["-uuid", UUID, "-serial", "stdio", "-monitor", `unix:${at("monitor")},server,nowait`],
  ...["-drive", `file=${at("disk")},if=none,id=d0,format=raw,readonly=on`],
  ...["-device", "virtio-blk-pci,drive=d0,serial=S7,addr=9"],
  ...["-device", "virtio-rng-pci", "-device", "virtio-balloon-pci", "-device", "virtio-serial-pci"],
  ...["-chardev", `socket,id=console,path=${at("console")},server=on,wait=off`],
  ...["-device", "virtconsole,chardev=console"],
  ...["-chardev", `socket,id=agent,path=${at("agent")},server=on,wait=off`],
  ...["-device", "virtserialport,chardev=agent,name=org.tsvm.agent"],
];
let guest: GuestConsole;
let ask: Shell;

beforeAll(async () => {
  writeFileSync(at("disk"), new Uint8Array(1 << 20));
  guest = startConsole(process.execPath, ["--conditions=@tsvm/source", main, ...OPTIONS], { name: "virtio-devices" });
  ask = await shellOf(guest);
});
afterAll(async () => {
  await guest.stop();
  rmSync(folder, { recursive: true });
});

/** A person at one of the sockets, who hears each word once. */
async function sitDown(name: string): Promise<{ readonly socket: Socket; hears(text: string): Promise<void> }> {
  const socket = connect(at(name));
  await once(socket, "connect");
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  const hears = async (text: string): Promise<void> => {
    await expect.poll(() => heard, { timeout: 60_000 }).toContain(text);
    heard = heard.slice(heard.indexOf(text) + text.length);
  };
  return { socket, hears };
}

test("a port carries text both ways under its name", async () => {
  expect(await ask("cat /sys/class/virtio-ports/vport*/name")).toContain("org.tsvm.agent");
  const agent = await sitDown("agent");
  await ask("echo from the guest >/dev/vport$(ls /sys/class/virtio-ports | grep -o '[0-9]*p1$')");
  await agent.hears("from the guest");
  agent.socket.write("from the host\n");
  expect(await ask("head -n 1 /dev/vport*p1")).toMatch(/^from the host\r?$/m);
  agent.socket.destroy();
});

test("a console is the guest's hvc0", async () => {
  const console = await sitDown("console");
  await ask("echo on the second console >/dev/hvc0");
  await console.hears("on the second console");
  console.socket.destroy();
});

test("the machine has random numbers, a UUID, and a disk where it was put", async () => {
  expect(await ask("cat /sys/class/misc/hw_random/rng_current; head -c 100 /dev/hwrng | wc -c")).toMatch(
    /^virtio_rng\.0\r?\n100\r?$/m,
  );
  expect(await ask("cat /sys/class/dmi/id/product_uuid")).toContain(UUID);
  expect(await ask("cat /sys/block/vda/serial; ls -l /sys/block/vda")).toMatch(/S7.*0000:00:09\.0/s);
});

test("the monitor takes memory away and gives it back", async () => {
  const monitor = await sitDown("monitor");
  const freeKib = async (): Promise<number> =>
    Number(/MemFree:\s+(\d+)/.exec(await ask("grep MemFree /proc/meminfo"))?.[1]);
  const before = await freeKib();
  const askUntilHears = (text: string): Promise<void> => {
    const asking = setInterval(() => monitor.socket.write("info balloon\n"), 500);
    return monitor.hears(text).finally(() => clearInterval(asking));
  };
  const setTo = (mib: number): Promise<void> => {
    monitor.socket.write(`balloon ${mib}\n`);
    return askUntilHears(`balloon: actual=${mib}\r`);
  };
  await setTo(300);
  expect(before - (await freeKib())).toBeGreaterThan(150 * 1024);
  await setTo(512);
  expect(before - (await freeKib())).toBeLessThan(50 * 1024);
  await askUntilHears("totalMemory: ");
  monitor.socket.destroy();
});

test("power-off ends the process with exit code 0", async () => {
  guest.type("poweroff -f\n");
  expect(await guest.exit).toBe(0);
});
