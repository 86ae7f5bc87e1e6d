import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createFileChardev } from "./file-chardev.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-file-chardev-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("records output, starting empty or appending", async () => {
  const path = join(folder, "serial.log");
  for (const append of [false, false, true]) {
    const chardev = createFileChardev({ path, append });
    for (const byte of Buffer.from("boot\n")) chardev.write(Uint8Array.of(byte));
    await chardev.flush();
    chardev.dispose();
  }
  expect(readFileSync(path, "latin1")).toBe("boot\nboot\n");
});

test("dispose writes what was gathered", () => {
  const path = join(folder, "last-words.log");
  const chardev = createFileChardev({ path });
  chardev.write(Buffer.from("panic"));
  chardev.dispose();
  chardev.write(Buffer.from("ignored"));
  expect(readFileSync(path, "latin1")).toBe("panic");
});

test("a file that cannot be opened is one line with the path and the reason", () => {
  const path = join(folder, "missing", "x.log");
  expect(() => createFileChardev({ path })).toThrow(`cannot open '${path}' for writing: ENOENT`);
});

test("a full disk is reported once and the guest goes on", async () => {
  const errors: string[] = [];
  const chardev = createFileChardev({ path: "/dev/full", onOutputLost: (error) => errors.push(error.message) });
  for (let index = 0; index < 3; index++) {
    chardev.write(Buffer.from("x"));
    await chardev.flush();
  }
  expect(errors).toEqual(["cannot write '/dev/full': ENOSPC"]);
});
