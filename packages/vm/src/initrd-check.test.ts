import { deflateRawSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { checkInitrd } from "./initrd-check.ts";

/** A newc archive of one file and the trailer. */
function cpio(name: string, data: string): Buffer {
  const member = (memberName: string, content: string): Buffer => {
    const fields = Array.from({ length: 13 }, () => 0);
    fields[6] = content.length;
    fields[11] = memberName.length + 1;
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    const pad = (text: string): string => text.padEnd((text.length + 3) & ~3, "\0");
    return Buffer.from(pad(`${header}${memberName}\0`) + pad(content), "latin1");
  };
  return Buffer.concat([member(name, data), member("TRAILER!!!", "")]);
}

const archive = cpio("init", "#!/bin/sh\n".repeat(100));
const packed = gzipSync(archive);

test.each<[string, Uint8Array]>([
  ["a plain archive", archive],
  ["a plain archive, padded", Buffer.concat([archive, Buffer.alloc(512)])],
  ["two plain archives", Buffer.concat([archive, Buffer.alloc(8), archive])],
  ["a packed archive", packed],
  ["microcode and a packed archive", Buffer.concat([cpio("kernel/x86/microcode", "x"), Buffer.alloc(64), packed])],
  ["two packed archives", Buffer.concat([packed, packed])],
  ["what only the kernel knows", deflateRawSync(archive)],
])("accepts %s", async (_what, initrd) => {
  await expect(checkInitrd(initrd)).resolves.toBeUndefined();
});

test.each<[string, Uint8Array, string]>([
  ["nothing", new Uint8Array(0), "initrd is empty"],
  [
    "a plain archive cut in a file",
    archive.subarray(0, 500),
    "initrd is truncated: its cpio archive ends in the middle",
  ],
  [
    "a plain archive cut in a header",
    archive.subarray(0, 50),
    "initrd is truncated: its cpio archive ends in the middle",
  ],
  [
    "a plain archive without its trailer",
    archive.subarray(0, archive.length - 124),
    "initrd is truncated: its cpio archive ends in the middle",
  ],
  [
    "a packed archive cut short",
    packed.subarray(0, packed.length - 12),
    "initrd is truncated or damaged: its gzip data do not unpack",
  ],
  [
    "microcode and a packed archive cut short",
    Buffer.concat([archive, packed]).subarray(0, -20),
    "initrd is truncated or damaged: its gzip data do not unpack",
  ],
  ["a header of nonsense", Buffer.from(`070701${"z".repeat(200)}`), "initrd is damaged: malformed cpio header"],
])("refuses %s", async (_what, initrd, message) => {
  await expect(checkInitrd(initrd)).rejects.toMatchObject({ code: "CONFIG_INITRD", message });
});
