// What npm users get: every public package packed, installed by npm in an empty folder, and run there.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { READY_MARKER } from "@tsvm/guest-images";
import { examplesIn } from "@tsvm-tools/check-docs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchChromium, pageMachine } from "./browser.ts";
import { shellOf, startConsole } from "./guest-console.ts";
import { serveFolder } from "./static-server.ts";

const packages = join(import.meta.dirname, "../packages");
const scratch = mkdtempSync(join(tmpdir(), "tsvm-packed-"));
const tarballs = join(scratch, "tarballs");

const run = (command: string, args: readonly string[], cwd: string): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A new project that has the tarballs whose names begin with one of `names` installed, and nothing else. */
function install(folder: string, names: readonly string[]): string {
  const project = join(scratch, folder);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  const chosen = readdirSync(tarballs).filter((file) => names.some((name) => file.startsWith(name)));
  const files = chosen.map((file) => join(tarballs, file));
  run("npm", ["install", "--no-audit", "--no-fund", "--offline", ...files], project);
  return project;
}

beforeAll(() => {
  mkdirSync(tarballs);
  run("pnpm", ["--recursive", "--filter=./packages/*", "pack", "--pack-destination", tarballs], packages);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("@tsvm/mmu alone", () => {
  let project: string;
  const lab = (...args: readonly string[]): string => run(join(project, "node_modules/.bin/tsvm-mmu"), args, project);
  beforeAll(() => {
    project = install("mmu", ["tsvm-mmu-"]);
  });

  test("is below 150 kB, installs without dependencies, and its README examples run", () => {
    const tarball = readdirSync(tarballs).find((file) => file.startsWith("tsvm-mmu-")) as string;
    expect(statSync(join(tarballs, tarball)).size).toBeLessThan(150_000);
    expect(readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["@tsvm"]);
    expect(readdirSync(join(project, "node_modules/@tsvm"))).toEqual(["mmu"]);
    const examples = examplesIn(readFileSync(join(packages, "mmu/README.md"), "utf8"));
    expect(examples.length).toBeGreaterThan(0);
    for (const [index, example] of examples.entries()) {
      writeFileSync(join(project, `example${index}.ts`), example);
      run(process.execPath, [`example${index}.ts`], project);
    }
  });

  test("its bin prints the table, explains walks, and draws", () => {
    const rows = JSON.parse(lab("table", "--json"));
    expect(rows).toHaveLength(12);
    expect(rows).toContainEqual({ guest: "4K", host: "4K", refs: 24 });
    expect(rows).toContainEqual({ guest: "4K", host: "native", refs: 4 });
    expect(lab("walk")).toMatch(/^ 24 {2}host {3}level 1/m);
    expect(lab("walk", "--svg")).toMatch(/^<svg .*<\/svg>\s*$/s);
    expect(lab("compare", "--svg", "--schemes", "ept,shadow", "--accesses", "1K")).toMatch(/^<svg .*<\/svg>\s*$/s);
  });

  test("simulates what valgrind has recorded of a program, packed or not", () => {
    run("valgrind", ["--tool=lackey", "--trace-mem=yes", "--log-file=trace", "true"], project);
    const report = JSON.parse(lab("sim", "trace", "--scheme", "ept", "--json"));
    expect(report.accesses).toBeGreaterThan(100_000);
    expect(report.l1Hits / report.accesses).toBeGreaterThan(0.9);
    expect(report.references.host).toBeGreaterThan(report.references.guest / 2);
    run("xz", ["-1", "trace"], project);
    expect(JSON.parse(lab("sim", "trace.xz", "--json"))).toEqual(report);
  });

  test("has one line for what it cannot do", () => {
    writeFileSync(join(project, "foreign"), "not a trace\n");
    for (const args of [
      ["sim", "foreign"],
      ["sim", "nowhere"],
      ["paper", "none"],
      ["table", "--json=1"],
      ["no-such"],
    ]) {
      const { status, stderr } = spawnSync(join(project, "node_modules/.bin/tsvm-mmu"), args, { encoding: "utf8" });
      expect([args, status]).toEqual([args, 1]);
      expect(stderr).toMatch(/^tsvm-mmu: [^\n]+\n$/);
    }
  });
});

describe("the whole set", () => {
  test("every tarball carries its licence and README, and no source or test", () => {
    const files = readdirSync(tarballs);
    expect(files).toHaveLength(readdirSync(packages).length);
    for (const file of files) {
      const names = run("tar", ["-tzf", join(tarballs, file)], tarballs).split("\n");
      expect(names).toEqual(expect.arrayContaining(["package/LICENSE", "package/README.md", "package/dist/index.js"]));
      expect(names.filter((name) => /\.test\.|^package\/src\//.test(name))).toEqual([]);
    }
  });

  describe("installed", () => {
    let project: string;
    beforeAll(() => {
      project = install("all", ["tsvm-"]);
    });

    test("the bin boots the default guest and ends with exit code 0", async () => {
      const guest = startConsole(join(project, "node_modules/.bin/tsvm"), [], { name: "packed", cwd: project });
      try {
        await shellOf(guest);
        guest.type("poweroff -f\n");
        expect(await guest.exit).toBe(0);
      } finally {
        await guest.stop();
      }
    });

    test("page and library boot the guest that came with them, from a static host", async () => {
      const host = await serveFolder(join(project, "node_modules/@tsvm/web/dist"));
      const browser = await launchChromium();
      try {
        const page = await browser.newPage();
        await page.goto(`${host.url}/page/index.html?m=256`);
        await pageMachine(page).boot(READY_MARKER);
        await page.click("#start");
        expect(await page.evaluate(BOOT_BY_LIBRARY)).toMatch(/^\[.*Linux version/m);
      } finally {
        await browser.close();
        host.stop();
      }
    });
  });
});

/** A script in a page of somebody's own; its value is the guest's first line. In text: its `import` is the browser's. */
const BOOT_BY_LIBRARY = `(async () => {
  const { createWebMachine } = await import("/index.js");
  const printed = Promise.withResolvers();
  const decoder = new TextDecoder();
  let words = "";
  const machine = await createWebMachine({
    kernel: "/page/guest/vmlinuz",
    initrd: "/page/guest/initrd.cpio.gz",
    commandLine: "console=ttyS0",
    onSerial: (bytes) => {
      words += decoder.decode(bytes, { stream: true });
      if (words.includes("\\n")) printed.resolve();
    },
  });
  void machine.run().catch(printed.reject);
  await printed.promise;
  await machine.close();
  return words;
})()`;
