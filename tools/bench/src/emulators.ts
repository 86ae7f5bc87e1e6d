// The emulators that are compared, and how each is told to boot the same guest with its serial console on stdio.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GuestName, PeerName } from "./bench-options.ts";

/** RAM of every guest, MiB. */
export const GUEST_MIB = 512;
/** Root of the repository. */
export const ROOT: string = join(import.meta.dirname, "../../..");

/** What an emulator has to boot. */
export interface Guest {
  readonly name: GuestName;
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** One emulator of this machine. */
export interface Emulator {
  readonly name: "tsvm" | PeerName;
  /** For the report. */
  readonly version: string;
  /** Program and arguments. */
  command(guest: Guest): readonly string[];
}

/** The Node 26 of the workspace, whoever runs the bench. */
const NODE = existsSync(join(ROOT, "node_modules/.bin/node")) ? join(ROOT, "node_modules/.bin/node") : process.execPath;
const BIOS = "/usr/share/seabios/bios.bin";
const VGA_BIOS = "/usr/share/seabios/vgabios-stdvga.bin";

const qemuStyle = ({ kernel, initrd, commandLine }: Guest): readonly string[] => [
  ...["-m", String(GUEST_MIB), "-nographic", "-no-reboot"],
  ...["-kernel", kernel, "-initrd", initrd, "-append", commandLine],
];

/** The repository's own command line as users install it: built, unmeasured, not run from sources. */
export function findTsvm(): Emulator {
  const program = join(ROOT, "packages/cli/dist/main.js");
  buildPackage("@tsvm/cli");
  return {
    name: "tsvm",
    version: `commit ${commit()}, Node ${firstLine(NODE, ["--version"])}`,
    command: (guest) => [NODE, program, ...qemuStyle(guest)],
  };
}

/** Builds a package and all it needs. */
function buildPackage(name: string): void {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { packageManager: string };
  const build = ["-y", packageManager, "run", "turbo", "build", `--filter=${name}`];
  execFileSync("npx", build, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
}

/** `peer` on this machine, or one line saying what it lacks. */
export function findPeer(peer: PeerName): Emulator | string {
  if (peer === "chromium") return findChromium();
  return peer === "qemu" ? findQemu() : findV86();
}

function findQemu(): Emulator | string {
  const program = "qemu-system-x86_64";
  try {
    return {
      name: "qemu",
      version: firstLine(program, ["--version"]),
      command: (guest) => [program, "-accel", "tcg,thread=single", "-smp", "1", ...qemuStyle(guest)],
    };
  } catch {
    return `${program} is not installed (Debian: qemu-system-x86)`;
  }
}

function findChromium(): Emulator | string {
  const program = "chromium";
  let version: string;
  try {
    version = firstLine(program, ["--version"]);
  } catch {
    return `${program} is not installed (Debian: chromium)`;
  }
  buildPackage("@tsvm/web");
  return {
    name: "chromium",
    version: `the same commit in ${version}`,
    command: ({ kernel, initrd, commandLine }) => [
      ...[NODE, join(import.meta.dirname, "chromium-host.ts")],
      ...[program, String(GUEST_MIB), kernel, initrd, commandLine],
    ],
  };
}

function findV86(): Emulator | string {
  const missing = [BIOS, VGA_BIOS].find((file) => !existsSync(file));
  if (missing !== undefined) return `v86 needs ${missing} (Debian: seabios)`;
  const manifest = fileURLToPath(new URL("../package.json", import.meta.resolve("v86")));
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string };
  return {
    name: "v86",
    version: `${version}, Node ${firstLine(NODE, ["--version"])}`,
    command: ({ kernel, initrd, commandLine }) => [
      ...[NODE, join(import.meta.dirname, "v86-host.ts")],
      ...[String(GUEST_MIB), BIOS, VGA_BIOS, kernel, initrd, commandLine],
    ],
  };
}

/** v86 has no long mode. */
export const runs = (emulator: Emulator, guest: GuestName): boolean => emulator.name !== "v86" || guest === "32";

function commit(): string {
  try {
    const git = (...args: string[]): string => execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8" }).trim();
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "-uno") === "" ? "" : " with changes");
  } catch {
    return "unknown";
  }
}

const firstLine = (program: string, args: readonly string[]): string =>
  (
    execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0] as string
  ).trim();
