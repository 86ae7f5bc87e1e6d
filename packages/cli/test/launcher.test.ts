// `./tsvm`: the command line from sources. Node is a stand-in here that tells what it was asked for.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "tsvm-launcher-")));
afterAll(() => rmSync(folder, { recursive: true }));

/** A checkout in which nothing has to be installed or generated. */
function makeCheckout(): string {
  const root = join(folder, "checkout");
  for (const name of ["cpu-x86/generated", "cpu-x86/src", "cpu-x86/tools", "mmu/src", "tcg/src", "wasm-emit/src"]) {
    mkdirSync(join(root, "packages", name), { recursive: true });
  }
  mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
  writeFileSync(join(root, "node_modules/.bin/node"), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  for (const name of ["pnpm-lock.yaml", "node_modules/.tsvm-installed", "node_modules/.tsvm-generated"]) {
    writeFileSync(join(root, name), "");
  }
  copyFileSync(join(import.meta.dirname, "../../../tsvm"), join(root, "tsvm"));
  return root;
}

test.runIf(process.platform !== "win32")(
  "is found by a link from elsewhere, and hands on every argument as it is",
  () => {
    const root = makeCheckout();
    const link = join(folder, "link");
    symlinkSync(join(root, "tsvm"), link);
    for (const path of [join(root, "tsvm"), link]) {
      const printed = execFileSync(path, ["-append", "a b", ""], { encoding: "utf8", cwd: folder });
      expect(printed.split("\n").slice(-5)).toEqual([join(root, "packages/cli/src/main.ts"), "-append", "a b", "", ""]);
    }
  },
);
