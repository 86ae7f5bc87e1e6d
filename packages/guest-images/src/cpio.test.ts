import { describe, expect, test } from "vitest";
import { writeCpio } from "./cpio.ts";

/** The thirteen fields after the magic, by their names in the kernel's buffer-format document. */
const FIELDS = [
  "ino",
  "mode",
  "uid",
  "gid",
  "nlink",
  "mtime",
  "filesize",
  "maj",
  "min",
  "rmaj",
  "rmin",
  "namesize",
  "chksum",
];

/** Reads the archive back by the document, independently of the writer. */
function readCpio(archive: Uint8Array): { path: string; data: string; fields: Record<string, number> }[] {
  const bytes = Buffer.from(archive);
  const members = [];
  for (let at = 0; at < bytes.length; ) {
    expect(bytes.toString("latin1", at, at + 6)).toBe("070701");
    const fields = Object.fromEntries(
      FIELDS.map((name, i) => [name, Number.parseInt(bytes.toString("latin1", at + 6 + i * 8, at + 14 + i * 8), 16)]),
    );
    const nameEnd = at + 110 + fields["namesize"]!;
    const dataAt = (nameEnd + 3) & ~3;
    const dataEnd = dataAt + fields["filesize"]!;
    members.push({
      path: bytes.toString("utf8", at + 110, nameEnd - 1),
      data: bytes.toString("utf8", dataAt, dataEnd),
      fields,
    });
    at = (dataEnd + 3) & ~3;
  }
  return members;
}

describe("writeCpio", () => {
  const archive = writeCpio([
    { path: "bin", type: "directory" },
    { path: "bin/tool", type: "file", data: Buffer.from("12345"), executable: true },
    { path: "note", type: "file", data: Buffer.from("") },
    { path: "bin/sh", type: "link", target: "tool" },
    { path: "console", type: "character-device", major: 5, minor: 1 },
  ]);
  const members = readCpio(archive);

  test("keeps order and ends with the trailer", () => {
    expect(members.map((member) => member.path)).toEqual([
      "bin",
      "bin/tool",
      "note",
      "bin/sh",
      "console",
      "TRAILER!!!",
    ]);
  });
  test("carries file bytes and link targets", () => {
    expect(members.map((member) => member.data)).toEqual(["", "12345", "", "tool", "", ""]);
  });
  test("gives each kind its mode", () => {
    const modes = members.slice(0, 5).map((member) => member.fields["mode"]!.toString(8));
    expect(modes).toEqual(["40755", "100755", "100644", "120777", "20600"]);
  });
  test("numbers the device and leaves owner and time at zero", () => {
    expect(members[4]!.fields).toMatchObject({ rmaj: 5, rmin: 1, uid: 0, gid: 0, mtime: 0 });
  });
  test("inode numbers differ, or the kernel would join files as hard links", () => {
    expect(new Set(members.map((member) => member.fields["ino"])).size).toBe(members.length);
  });
  test("an empty archive is a trailer alone", () => {
    expect(readCpio(writeCpio([])).map((member) => member.path)).toEqual(["TRAILER!!!"]);
  });
  test("the same entries give the same bytes", () => {
    const entries = [{ path: "a", type: "file", data: Buffer.from("x") }] as const;
    expect(writeCpio(entries)).toEqual(writeCpio(entries));
  });
});
