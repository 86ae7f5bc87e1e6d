import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createPipeChardev } from "./pipe-chardev.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-pipe-"));
afterAll(() => rmSync(folder, { recursive: true }));

function makePipes(...names: readonly string[]): string[] {
  const paths = names.map((name) => join(folder, name));
  execFileSync("mkfifo", paths);
  return paths;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (input: Uint8Array): string => new TextDecoder().decode(input);

test("a pair of pipes carries input and output, whoever comes and goes at the other end", async () => {
  const [inward = "", outward = ""] = makePipes("a.in", "a.out");
  const chardev = createPipeChardev({ path: join(folder, "a") });
  for (const word of ["one", "two"]) {
    execFileSync("sh", ["-c", `printf ${word} >"$1"`, "sh", inward]);
    await expect.poll(() => text(chardev.read(100))).toBe(word);
    chardev.write(bytes(`echo ${word}`));
    await chardev.flush();
    const reader = openSync(outward, "r+");
    const heard = new Uint8Array(100);
    expect(text(heard.subarray(0, readSync(reader, heard)))).toBe(`echo ${word}`);
  }
  chardev.dispose();
});

test("one pipe does both", async () => {
  const [path = ""] = makePipes("b");
  const chardev = createPipeChardev({ path });
  const other = openSync(path, "r+");
  writeSync(other, "in");
  await expect.poll(() => text(chardev.read(100))).toBe("in");
  chardev.dispose();
});

test.each([
  ["missing", () => join(folder, "nowhere"), "ENOENT"],
  [
    "an ordinary file",
    () => {
      writeFileSync(join(folder, "file"), "");
      return join(folder, "file");
    },
    "not a named pipe; make one with mkfifo",
  ],
])("says in one line that a pipe is %s", (_, path, why) => {
  const at = path();
  expect(() => createPipeChardev({ path: at })).toThrow(
    expect.objectContaining({ code: "BACKEND_OPEN", message: `cannot open pipe '${at}': ${why}` }),
  );
});
