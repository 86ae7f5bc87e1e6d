// A machine that is killed while its guest writes to an ext4 disk, and what the disk is worth afterwards.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { shellOf, startConsole } from "./guest-console.ts";

const MAIN = join(import.meta.dirname, "../packages/cli/src/main.ts");
/** Where the tools of e2fsprogs are, also for users whose PATH leaves it out. */
const TOOLS = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
/** Lines of each file that is brought to stable storage. */
const LINES = 2000;

/** What was found. */
export interface KilledRound {
  /** Files of which the guest had said, before the kill, that they were on stable storage. */
  readonly synced: number;
  /** Those that are missing or not whole. */
  readonly lost: readonly string[];
  /** What e2fsck had to say after the journal was replayed; empty: nothing was wrong. */
  readonly repairs: string;
}

/** Makes an empty ext4 file system of 48 MiB. */
export function makeFileSystem(image: string): void {
  rmSync(image, { force: true });
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-b", "4096", image, "48M"], {
    env: TOOLS,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** When the machine is killed. */
export interface KillMoment {
  /** Files that have to be on stable storage before. */
  readonly files: number;
  /** Milliseconds after the last of them was. */
  readonly thenMs: number;
}

/**
 * Writes in a guest, without end: files f0, f1... each followed by fsync and a word to the console, while others are
 * made, moved and removed without. Kills the process at `moment`, and looks.
 */
export async function runKilledRound(image: string, { files, thenMs }: KillMoment, name: string): Promise<KilledRound> {
  const args = ["--conditions=@tsvm/source", MAIN, "-m", "256", "-drive", `file=${image},if=virtio,format=raw`];
  const guest = startConsole(process.execPath, args, { name });
  let synced = 0;
  try {
    const ask = await shellOf(guest);
    await ask("mount -t ext4 /dev/vda /mnt 2>&1 || (mkdir -p /mnt && mount -t ext4 /dev/vda /mnt); rm -rf /mnt/[fnd]*");
    guest.type(
      "n=0; while :; do dd if=/dev/zero of=/mnt/n$((n%5)) bs=64k count=9 2>/dev/null; mkdir -p /mnt/d$n;" +
        " mv /mnt/n$((n%5)) /mnt/d$n; rm -rf /mnt/d$((n-3)); n=$((n+1)); usleep 100000; done &\n",
    );
    guest.type(
      `i=0; while :; do yes "record $i" | head -n ${LINES} | dd of=/mnt/f$i bs=4k conv=fsync 2>/dev/null;` +
        ` echo "SYN""CED $i"; i=$((i+1)); done\n`,
    );
    await guest.waitFor(`SYNCED ${files - 1}`);
    await new Promise((resolve) => setTimeout(resolve, thenMs));
  } finally {
    await guest.stop();
    synced = Array.from(guest.transcript.matchAll(/SYNCED \d+\r?\n/g)).length;
  }
  return { synced, ...inspect(image, synced) };
}

function inspect(image: string, synced: number): Omit<KilledRound, "synced"> {
  const repairs = repairsOf(image);
  const copies = `${image}.files`;
  mkdirSync(copies);
  try {
    execFileSync("debugfs", ["-R", `rdump / ${copies}`, image], { env: TOOLS, stdio: "ignore" });
    const names = Array.from({ length: synced }, (_, i) => i);
    const isWhole = (i: number): boolean => contentOf(join(copies, `f${i}`)) === `record ${i}\n`.repeat(LINES);
    return { repairs, lost: names.filter((i) => !isWhole(i)).map((i) => `f${i}`) };
  } finally {
    rmSync(copies, { recursive: true });
  }
}

/** Replays the journal, which is no repair, and lists what would be one. */
function repairsOf(image: string): string {
  const check = (...options: readonly string[]): void =>
    void execFileSync("e2fsck", [...options, image], { env: TOOLS, stdio: "pipe" });
  try {
    check("-E", "journal_only", "-y");
  } catch (error) {
    // 1: corrected, which is what was asked for.
    if ((error as { status?: number }).status !== 1) return String(error);
  }
  try {
    check("-f", "-n");
    return "";
  } catch (error) {
    return String((error as { stdout?: Buffer }).stdout);
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
