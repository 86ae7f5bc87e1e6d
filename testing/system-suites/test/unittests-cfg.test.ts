import { expect, test } from "vitest";
import { parseUnitTests } from "../src/unittests-cfg.ts";

test("reads sections, options and quoted arguments, and leaves comments and fileless sections out", () => {
  const text = [
    "# a comment",
    "[pcid-enabled]",
    "file = pcid.flat",
    "qemu_params = -cpu qemu64,+pcid  -m 2048",
    "arch = x86_64",
    "",
    "[vmexit_cpuid]",
    "file = vmexit.flat",
    "test_args = 'cpuid twice'",
    "#[init]",
    "[nothing]",
    "smp = 2",
  ].join("\n");
  expect(parseUnitTests(text)).toEqual([
    {
      name: "pcid-enabled",
      file: "pcid.flat",
      args: "",
      machine: ["-cpu", "qemu64,+pcid", "-m", "2048"],
      arch: "x86_64",
    },
    { name: "vmexit_cpuid", file: "vmexit.flat", args: "cpuid twice", machine: [], arch: undefined },
  ]);
});
