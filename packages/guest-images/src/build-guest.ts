import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { gzipSync } from "node:zlib";
import { type DebPackage, openApt } from "./apt.ts";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { readDebFiles } from "./deb.ts";
import { type DefaultGuest, defaultGuest, GUEST_FOLDER, type GuestManifest } from "./default-guest.ts";
import { GuestBuildError } from "./guest-build-error.ts";
import { INIT_SCRIPT } from "./init-script.ts";
import { type KernelModule, orderModules, WANTED_MODULES } from "./kernel-modules.ts";

export interface BuildOptions {
  /** Folder to build into; default: the one that {@link defaultGuest} points to. */
  readonly folder?: string;
  /** Server of /debian and /debian-security; default: `TSVM_DEBIAN_MIRROR`, else deb.debian.org. */
  readonly mirror?: string;
  /** Told one line before each slow step; not called when the guest is there already. */
  readonly log?: (line: string) => void;
}

/**
 * Makes sure that the default guest exists: Debian's cloud kernel, BusyBox and our /init. Downloads some 30 MB once;
 * afterwards it only looks. An interrupted build leaves the earlier state.
 * @throws GuestBuildError
 */
export async function buildDefaultGuest(options: BuildOptions = {}): Promise<DefaultGuest> {
  const folder = options.folder === undefined ? GUEST_FOLDER : join(options.folder, sep);
  const guest = defaultGuest(folder);
  if (await isBuilt(folder)) return guest;
  const log = options.log ?? (() => {});
  const scratch = await mkdtemp(join(tmpdir(), "tsvm-guest-"));
  try {
    log("downloading Debian's kernel and BusyBox");
    const parts = await downloadParts(scratch, options.mirror ?? mirrorOfEnvironment());
    log("packing the initramfs");
    await writeGuest(folder, parts);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return guest;
}

/** What the guest is put together from. */
interface Parts {
  readonly packages: readonly DebPackage[];
  readonly kernel: Uint8Array;
  readonly busybox: Uint8Array;
  readonly modules: readonly KernelModule[];
}

const mirrorOfEnvironment = (): string => process.env["TSVM_DEBIAN_MIRROR"] || "http://deb.debian.org";

/** Identifies what this package contributes, so that a changed init makes an old guest stale. */
const recipe = (): string => sha256(Buffer.from(JSON.stringify([1, INIT_SCRIPT, WANTED_MODULES])));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** True if a whole guest of the present recipe is there. Sizes stand in for sums: this runs at every start. */
async function isBuilt(folder: string): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as GuestManifest;
    if (manifest.recipe !== recipe()) return false;
    for (const [name, { bytes }] of Object.entries(manifest.files)) {
      if ((await stat(join(folder, name))).size !== bytes) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function downloadParts(scratch: string, mirror: string): Promise<Parts> {
  const apt = await openApt(scratch, mirror);
  const kernelPackage = await apt.download(await apt.dependency("linux-image-cloud-amd64", "linux-image-"));
  const busyboxPackage = await apt.download("busybox-static");
  const kernelFiles = await readDebFiles(
    kernelPackage.path,
    (path) => path.startsWith("boot/vmlinuz-") || path.endsWith(".ko"),
  );
  const busyboxFiles = await readDebFiles(busyboxPackage.path, (path) => path.endsWith("bin/busybox"));
  return {
    packages: [kernelPackage, busyboxPackage],
    kernel: onlyFile(kernelPackage, kernelFiles, "vmlinuz"),
    busybox: onlyFile(busyboxPackage, busyboxFiles, "busybox"),
    modules: orderModules(WANTED_MODULES, kernelFiles),
  };
}

function onlyFile(owner: DebPackage, files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  for (const [path, data] of files) if (path.includes(name)) return data;
  throw new GuestBuildError("GUEST_PACKAGE_INVALID", `${owner.name} ${owner.version} holds no ${name}`);
}

/** The initramfs. /dev/console must be in it: the kernel opens it before /init mounts devtmpfs. */
function initramfsEntries(parts: Parts): readonly CpioEntry[] {
  const folders = ["bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "root", "sys", "tmp"];
  const order = parts.modules.map((module) => `${module.name}\n`).join("");
  return [
    ...folders.map((path) => ({ path, type: "directory" }) as const),
    { path: "dev/console", type: "character-device", major: 5, minor: 1 },
    { path: "init", type: "file", data: Buffer.from(INIT_SCRIPT), executable: true },
    { path: "bin/busybox", type: "file", data: parts.busybox, executable: true },
    { path: "bin/sh", type: "link", target: "busybox" },
    ...parts.modules.map(({ name, data }) => ({ path: `lib/modules/${name}.ko`, type: "file", data }) as const),
    { path: "lib/modules/order", type: "file", data: Buffer.from(order) },
  ];
}

async function writeGuest(folder: string, parts: Parts): Promise<void> {
  const initrd = gzipSync(writeCpio(initramfsEntries(parts)), { level: 9 });
  const manifest: GuestManifest = {
    recipe: recipe(),
    packages: parts.packages.map(({ name, version }) => ({ name, version })),
    modules: parts.modules.map((module) => module.name),
    files: { vmlinuz: described(parts.kernel), "initrd.cpio.gz": described(initrd) },
  };
  await mkdir(folder, { recursive: true });
  await writeWhole(join(folder, "vmlinuz"), parts.kernel);
  await writeWhole(join(folder, "initrd.cpio.gz"), initrd);
  await writeWhole(join(folder, "manifest.json"), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
}

const described = (bytes: Uint8Array): { bytes: number; sha256: string } => ({
  bytes: bytes.length,
  sha256: sha256(bytes),
});

/** A reader sees the old file or the new one, never a part; two builders at once do no harm. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.${process.pid}.tmp`;
  await writeFile(unfinished, bytes);
  await rename(unfinished, path);
}
