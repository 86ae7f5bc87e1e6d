import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { forEachTarFile } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-tar-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LONG = `${"deep/".repeat(60)}leaf`;
const files: Record<string, string> = {
  "a.txt": "alpha",
  "sub/empty": "",
  "sub/block": "b".repeat(512),
  [LONG]: "far",
};
for (const [path, data] of Object.entries(files)) {
  mkdirSync(dirname(join(folder, "in", path)), { recursive: true });
  writeFileSync(join(folder, "in", path), data);
}
symlinkSync("a.txt", join(folder, "in/link"));

function contents(archive: Uint8Array): Record<string, string> {
  const found: Record<string, string> = {};
  forEachTarFile(archive, (path, data) => {
    found[path] = Buffer.from(data).toString();
  });
  return found;
}

/** What the system's tar makes of the folder. */
const pack = (format: string): Uint8Array =>
  execFileSync("tar", [`--format=${format}`, "-C", join(folder, "in"), "-c", "."], { maxBuffer: 2 ** 24 });

describe("forEachTarFile", () => {
  test("finds regular files only, long GNU names included", () => {
    expect(contents(pack("gnu"))).toEqual(files);
  });
  test("joins the ustar prefix", () => {
    rmSync(join(folder, "in/deep"), { recursive: true });
    const middle = `${"m".repeat(90)}/${"n".repeat(90)}`;
    mkdirSync(dirname(join(folder, "in", middle)), { recursive: true });
    writeFileSync(join(folder, "in", middle), "near");
    expect(contents(pack("ustar"))).toMatchObject({ [middle]: "near", "a.txt": "alpha" });
  });
  test("refuses an archive that ends inside a file", () => {
    const whole = pack("gnu");
    const at = Buffer.from(whole).indexOf("b".repeat(512));
    expect(() => contents(whole.subarray(0, at + 10))).toThrow(RangeError);
  });
});
