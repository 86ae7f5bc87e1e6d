import { describe, expect, test } from "vitest";
import { moduleDependencies, orderModules } from "./kernel-modules.ts";

/** Bytes around a .modinfo section, as in a .ko file. */
const ko = (depends: string): Uint8Array =>
  Buffer.from(`\x7fELF..license=GPL\0depends=${depends}\0retpoline=Y\0name=x\0..`);

const names = (wanted: string[], files: Record<string, string>): string[] =>
  orderModules(
    wanted,
    new Map(Object.entries(files).map(([name, depends]) => [`lib/modules/6/kernel/${name}.ko`, ko(depends)])),
  ).map((module) => module.name);

describe("orderModules", () => {
  test("puts dependencies first and loads each once", () => {
    const files = { disk: "bus,ring", bus: "ring", ring: "", unrelated: "" };
    expect(names(["disk", "bus"], files)).toEqual(["ring", "bus", "disk"]);
  });
  test("leaves out what is built into the kernel", () => {
    expect(names(["ext4", "disk"], { disk: "crc16" })).toEqual(["disk"]);
  });
  test("takes dash and underscore as one", () => {
    expect(names(["crc32c_intel"], { "crc32c-intel": "" })).toEqual(["crc32c_intel"]);
  });
  test("ends on a dependency circle", () => {
    expect(() => names(["a"], { a: "b", b: "a" })).toThrow("depend on each other: a -> b -> a");
  });
});

describe("moduleDependencies", () => {
  test("reads the list, and an empty one", () => {
    expect(moduleDependencies(ko("virtio,virtio-ring"))).toEqual(["virtio", "virtio_ring"]);
    expect(moduleDependencies(ko(""))).toEqual([]);
  });
  test("ignores the word elsewhere in the file", () => {
    expect(moduleDependencies(Buffer.from("xdepends=a\0"))).toEqual([]);
  });
});
