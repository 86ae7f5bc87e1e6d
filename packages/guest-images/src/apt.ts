// Debian's own downloader over private lists: signatures are checked by apt, and nothing of the system is changed.
import { execFile } from "node:child_process";
import { access, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { GuestBuildError } from "./guest-build-error.ts";

const run = promisify(execFile);
/** Installed on every Debian; elsewhere by the package debian-archive-keyring. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const SUITE = "bookworm";

/** A package that was downloaded. */
export interface DebPackage {
  readonly name: string;
  readonly version: string;
  /** The .deb file. */
  readonly path: string;
}

/** A package source with state of its own. */
export interface Apt {
  /** The first dependency of `packageName` whose name begins with `prefix`: what a meta package stands for. */
  dependency(packageName: string, prefix: string): Promise<string>;
  download(packageName: string): Promise<DebPackage>;
}

/**
 * Reads the package lists of Debian bookworm for amd64 into `folder`, whatever release or architecture the host has.
 * `mirror` serves /debian and /debian-security.
 * @throws GuestBuildError
 */
export async function openApt(folder: string, mirror: string): Promise<Apt> {
  const options = await prepareState(folder, mirror);
  const apt = (tool: string, args: readonly string[], cwd = folder): Promise<string> =>
    run(tool, [...options, ...args], { cwd, maxBuffer: 2 ** 26 }).then((done) => done.stdout);
  try {
    await apt("apt-get", ["update"]);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw aptMissing(cause);
    // One unreachable index does not matter if the packages are found in the others: `download` will tell.
  }
  return {
    async dependency(packageName, prefix) {
      const answer = await apt("apt-cache", ["depends", packageName]).catch(notReachable(packageName, mirror));
      const name = new RegExp(`^ *Depends: (${prefix}\\S*)$`, "m").exec(answer)?.[1];
      return name ?? notReachable(packageName, mirror)(answer);
    },
    async download(packageName) {
      const target = join(folder, packageName);
      await mkdir(target);
      await apt("apt-get", ["download", packageName], target).catch(notReachable(packageName, mirror));
      const file = (await readdir(target)).find((name) => name.endsWith(".deb"));
      if (file === undefined) return notReachable(packageName, mirror)("no .deb file appeared");
      const version = decodeURIComponent(file.split("_")[1] ?? "");
      return { name: packageName, version, path: join(target, file) };
    },
  };
}

/** Creates lists, cache, an empty status file and a source list in `folder`; gives the options that make apt use them. */
async function prepareState(folder: string, mirror: string): Promise<readonly string[]> {
  await mkdir(join(folder, "lists", "partial"), { recursive: true });
  await mkdir(join(folder, "cache", "archives", "partial"), { recursive: true });
  const trust = await access(KEYRING).then(
    () => `[signed-by=${KEYRING}] `,
    () => "",
  );
  const sources = [
    `deb ${trust}${mirror}/debian ${SUITE} main`,
    `deb ${trust}${mirror}/debian-security ${SUITE}-security main`,
  ];
  await writeFile(join(folder, "sources.list"), `${sources.join("\n")}\n`);
  await writeFile(join(folder, "status"), "");
  const settings = {
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::Status": join(folder, "status"),
    "Dir::Cache": join(folder, "cache"),
    "Dir::Etc::SourceList": join(folder, "sources.list"),
    "Dir::Etc::SourceParts": "-",
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": "-",
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    // As root apt would become user _apt, who may not write here.
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
  };
  return ["-q", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

function aptMissing(cause: unknown): GuestBuildError {
  return new GuestBuildError(
    "GUEST_APT_MISSING",
    "the default guest is built from Debian packages and this host has no apt-get; build it on Debian or Ubuntu and " +
      "copy packages/guest-images/dist here, or name a kernel and initrd with -kernel and -initrd",
    { cause },
  );
}

function notReachable(packageName: string, mirror: string): (cause: unknown) => never {
  return (cause) => {
    const said = /^E: .*$/m.exec(cause instanceof Error ? cause.message : String(cause))?.[0];
    throw new GuestBuildError(
      "GUEST_DOWNLOAD_FAILED",
      `cannot download ${packageName} from ${mirror}${said === undefined ? "" : ` (${said})`}; check the network, ` +
        `or name another mirror in TSVM_DEBIAN_MIRROR; on Ubuntu also install debian-archive-keyring`,
      { cause },
    );
  };
}
