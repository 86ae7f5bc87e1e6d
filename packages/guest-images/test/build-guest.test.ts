// The whole build over a fake Debian: scripts named apt-get, apt-cache and dpkg-deb, first and alone on PATH.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildDefaultGuest } from "../src/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "tsvm-guest-test-"));
const bin = join(scratch, "bin");
let folder = "";
let run = 0;

mkdirSync(join(scratch, "kernel/boot"), { recursive: true });
mkdirSync(join(scratch, "kernel/lib/modules"), { recursive: true });
mkdirSync(join(scratch, "busybox/bin"), { recursive: true });
writeFileSync(join(scratch, "kernel/boot/vmlinuz-6"), "a kernel");
writeFileSync(join(scratch, "kernel/lib/modules/virtio_pci.ko"), "..\0depends=virtio\0");
writeFileSync(join(scratch, "kernel/lib/modules/virtio.ko"), "..\0depends=\0");
writeFileSync(join(scratch, "busybox/bin/busybox"), "a busybox");
for (const name of ["kernel", "busybox"]) {
  execFileSync("tar", ["-C", join(scratch, name), "-cf", join(scratch, `${name}.tar`), "."]);
}
mkdirSync(bin);

function script(name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function installFakes(): void {
  script("apt-get", 'case "$*" in *download*) for p; do :; done; echo deb >"$p"_1%3a6.1-2_amd64.deb;; esac');
  script("apt-cache", 'echo "linux-image-cloud-amd64"; echo "  Depends: linux-image-6-cloud-amd64"');
  script("dpkg-deb", `case "$2" in *linux-image*) f=kernel;; *) f=busybox;; esac; exec /bin/cat ${scratch}/$f.tar`);
}

beforeEach(() => {
  installFakes();
  vi.stubEnv("PATH", bin);
  folder = join(scratch, `out${run++}`);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(scratch, { recursive: true }));

const manifest = (): {
  recipe: string;
  packages: unknown;
  modules: unknown;
  files: Record<string, { sha256: string }>;
} => JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));

describe("buildDefaultGuest", () => {
  test("builds kernel, initramfs and manifest, and leaves nothing else", async () => {
    const guest = await buildDefaultGuest({ folder });
    expect(readdirSync(folder).sort()).toEqual(["initrd.cpio.gz", "manifest.json", "vmlinuz"]);
    expect(readFileSync(guest.kernelPath, "utf8")).toBe("a kernel");
    const initramfs = gunzipSync(readFileSync(guest.initrdPath)).toString("latin1");
    for (const part of ["#!/bin/busybox sh", "a busybox", "lib/modules/virtio_pci.ko", "virtio\nvirtio_pci\n"]) {
      expect(initramfs).toContain(part);
    }
  });

  test("the manifest tells versions, module order and sums", async () => {
    const guest = await buildDefaultGuest({ folder });
    const kernelSum = createHash("sha256").update(readFileSync(guest.kernelPath)).digest("hex");
    expect(manifest()).toMatchObject({
      packages: [
        { name: "linux-image-6-cloud-amd64", version: "1:6.1-2" },
        { name: "busybox-static", version: "1:6.1-2" },
      ],
      modules: ["virtio", "virtio_pci"],
      files: { vmlinuz: { sha256: kernelSum } },
    });
  });

  test("a second call only looks", async () => {
    await buildDefaultGuest({ folder });
    const lines: string[] = [];
    rmSync(join(bin, "apt-get"));
    const guest = await buildDefaultGuest({ folder, log: (line) => lines.push(line) });
    expect(lines).toEqual([]);
    expect(statSync(guest.kernelPath).isFile()).toBe(true);
  });

  test.each([
    [
      "another recipe",
      () => writeFileSync(join(folder, "manifest.json"), JSON.stringify({ ...manifest(), recipe: "old" })),
    ],
    ["a truncated kernel", () => writeFileSync(join(folder, "vmlinuz"), "a ker")],
    ["a missing initramfs", () => rmSync(join(folder, "initrd.cpio.gz"))],
    ["a broken manifest", () => writeFileSync(join(folder, "manifest.json"), "{")],
  ])("builds again after %s", async (_, damage) => {
    await buildDefaultGuest({ folder });
    damage();
    const lines: string[] = [];
    const guest = await buildDefaultGuest({ folder, log: (line) => lines.push(line) });
    expect(lines.length).toBeGreaterThan(0);
    expect(readFileSync(guest.kernelPath, "utf8")).toBe("a kernel");
  });

  test("without apt there is one line with the remedy", async () => {
    rmSync(join(bin, "apt-get"));
    const failure = await buildDefaultGuest({ folder }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "GUEST_APT_MISSING", message: expect.stringContaining("-kernel") });
    expect((failure as Error).message).not.toContain("\n");
  });

  test("an unreachable mirror is named, with what apt said", async () => {
    script("apt-cache", "echo 'E: No packages found' >&2; exit 100");
    const failure = await buildDefaultGuest({ folder, mirror: "http://mirror.invalid" }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: "GUEST_DOWNLOAD_FAILED" });
    expect((failure as Error).message).toMatch(/http:\/\/mirror\.invalid \(E: No packages found\)/);
  });

  test("a package without a kernel is refused, and the old guest stays", async () => {
    const guest = await buildDefaultGuest({ folder });
    writeFileSync(join(folder, "manifest.json"), "{}");
    script("dpkg-deb", `exec /bin/cat ${scratch}/busybox.tar`);
    await expect(buildDefaultGuest({ folder })).rejects.toMatchObject({ code: "GUEST_PACKAGE_INVALID" });
    expect(readFileSync(guest.kernelPath, "utf8")).toBe("a kernel");
  });
});
