import { expect, test } from "vitest";
import { parseArguments } from "./parse-arguments.ts";

const drivesOf = (...values: readonly string[]) => parseArguments(values.flatMap((value) => ["-drive", value])).drives;

test("a drive is an image, writable and durable unless it says otherwise", () => {
  const plain = { isRaw: false, readOnly: false, snapshot: false, unsafeFlush: false, direct: false };
  expect(
    drivesOf(
      "file=a,,b.img,if=virtio,format=raw",
      "file=b,if=virtio,readonly=on,serial=S 1",
      "if=virtio,file=c,snapshot=on,cache=unsafe,media=disk",
      "if=none,id=d0,file=d",
      "if=virtio,file=e,cache=none",
    ),
  ).toEqual([
    { ...plain, path: "a,b.img", isRaw: true },
    { ...plain, path: "b", readOnly: true, serial: "S 1" },
    { ...plain, path: "c", snapshot: true, unsafeFlush: true },
    { ...plain, path: "d", id: "d0" },
    { ...plain, path: "e", direct: true },
  ]);
  expect(parseArguments(["-snapshot"]).snapshot).toBe(true);
});

test.each([
  ["if=virtio", "write file=FILE"],
  ["file=x", "unknown if 'ide'"],
  ["file=x,if=virtoi", "virtio"],
  ["file=x,if=virtio,format=qcow2", "unknown format 'qcow2'"],
  ["file=x,if=virtio,cache=write", "writeback"],
  ["file=x,if=virtio,readonly=yes", "unknown readonly 'yes'"],
  ["file=x,if=virtio,serial=123456789012345678901", "at most 20"],
  ["file=x,if=virtio,read=on", "readonly"],
  ["file=x,if=none", "write id=NAME"],
])("-drive %s is refused in one line: %s", (value, message) => {
  expect(() => drivesOf(value)).toThrow(message);
});
