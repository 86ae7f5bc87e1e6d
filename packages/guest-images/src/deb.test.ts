import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { findDataMember, readDebFiles } from "./deb.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-deb-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** An ar member: a 60-byte header, the data, and a newline if its length is odd. */
function arMember(name: string, data: Uint8Array): Buffer {
  const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
  const odd = Buffer.from(data.length & 1 ? "\n" : "");
  return Buffer.concat([Buffer.from(`${header}${`${data.length}`.padEnd(10)}\`\n`), data, odd]);
}

function debOf(dataName: string, data: Uint8Array): Buffer {
  const members = [arMember("debian-binary", Buffer.from("2.0\n")), arMember("control.tar.gz", Buffer.from("odd"))];
  return Buffer.concat([Buffer.from("!<arch>\n"), ...members, arMember(dataName, data)]);
}

mkdirSync(join(folder, "in"));
writeFileSync(join(folder, "in/wanted"), "yes");
writeFileSync(join(folder, "in/other"), "no");
const tar = execFileSync("tar", ["-C", join(folder, "in"), "-c", "."]);
const deb = join(folder, "x_1_amd64.deb");
const wanted = async (): Promise<unknown> => {
  const files = await readDebFiles(deb, (path) => path === "wanted");
  return [...files].map(([path, data]) => [path, Buffer.from(data).toString()]);
};

describe("readDebFiles without dpkg-deb", () => {
  test.each([
    ["data.tar", tar],
    ["data.tar.gz", gzipSync(tar)],
  ])("reads %s", async (name, data) => {
    vi.stubEnv("PATH", folder);
    writeFileSync(deb, debOf(name, data));
    expect(await wanted()).toEqual([["wanted", "yes"]]);
  });
  test("names the remedy when nothing can unpack the compression", async () => {
    vi.stubEnv("PATH", folder);
    writeFileSync(deb, debOf("data.tar.xz", Buffer.from("any")));
    await expect(wanted()).rejects.toMatchObject({
      code: "GUEST_PACKAGE_INVALID",
      message: /install dpkg or xz-utils/,
    });
  });
});

describe("findDataMember", () => {
  test("skips members of odd length", () => {
    expect(findDataMember(debOf("data.tar.xz", Buffer.from("payload"))).name).toBe("data.tar.xz");
  });
  test("refuses what is no package, or has no data", () => {
    expect(() => findDataMember(Buffer.from("hello"))).toThrow("not a Debian package");
    expect(() => findDataMember(Buffer.from("!<arch>\n"))).toThrow("no data.tar");
  });
});
