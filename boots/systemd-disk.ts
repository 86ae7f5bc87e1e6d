// Proof: a Debian disk boots systemd to its login, works, powers off, and leaves a clean file system behind.
//   node boots/systemd-disk.ts FOLDER [-snapshot] [options of tsvm]
// FOLDER holds vmlinuz64, guest64.cpio.gz and disk64.ext4, as the README of this folder says how to make them.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestConsole, startConsole } from "./guest-console.ts";

const BOOT_MS = 900_000;
const PROMPT = "root@tsvm:~# ";
const [guests = "", ...more] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "tsvm-systemd-"));
const image = join(folder, "disk64.ext4");

function startMachine(): GuestConsole {
  const drive = `file=${image},if=virtio,format=raw`;
  const append = "root=/dev/vda console=ttyS0 rootdisk";
  const boot = ["-kernel", join(guests, "vmlinuz64"), "-initrd", join(guests, "guest64.cpio.gz"), "-append", append];
  const args = ["-m", "1024", "-nographic", ...boot, "-drive", drive, ...more];
  return startConsole(join(import.meta.dirname, "../tsvm"), args, { name: "systemd-disk" });
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** CPU seconds of the machine's process: the figure to trust on a shared host. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function report(what: string, held: boolean): void {
  console.log(`${held ? "ok  " : "FAIL"} ${what}`);
  if (!held) process.exitCode = 1;
}

/** Types each command and looks for its answer, on a line of its own: the echo is not the answer. */
async function session(guest: GuestConsole): Promise<void> {
  const startedMs = Date.now();
  const wait = (text: string | RegExp) => guest.waitFor(text, BOOT_MS);
  await wait("login: ");
  const wallSeconds = (Date.now() - startedMs) / 1000;
  report(`systemd reaches "login:" (${wallSeconds.toFixed(1)} s, ${cpuSeconds(guest.pid).toFixed(1)} s of CPU)`, true);
  guest.type("root\n");
  await wait(PROMPT);
  report("root logs in", true);
  for (const [command, answer] of [
    [`python3 -c 'print(sum(i * i for i in range(100000)))'`, "333328333350000"],
    ["gcc hello.c && ./a.out", "hello"],
    ["systemctl is-system-running", "running"],
    ["systemctl --failed --no-legend --plain | wc -l", "0"],
  ] as const) {
    const before = cpuSeconds(guest.pid);
    guest.type(`${command}\n`);
    const output = await wait(PROMPT);
    const seconds = cpuSeconds(guest.pid) - before;
    report(`${command} (${seconds.toFixed(1)} s of CPU)`, output.split(/[\r\n]+/).includes(answer));
  }
  guest.type("poweroff\n");
  report("poweroff ends the process with exit code 0", (await guest.exit) === 0);
}

execFileSync("cp", ["--sparse=always", join(guests, "disk64.ext4"), image]);
const before = await sha256(image);
const guest = startMachine();
try {
  await session(guest);
  const isSame = (await sha256(image)) === before;
  const wanted = more.includes("-snapshot");
  report(`the image is ${wanted ? "byte-identical" : "not the same any more"}`, isSame === wanted);
  execFileSync("e2fsck", ["-fn", image], { stdio: ["ignore", "inherit", "ignore"] });
  report("e2fsck -fn finds nothing", true);
} finally {
  await guest.stop();
  rmSync(folder, { recursive: true });
}
