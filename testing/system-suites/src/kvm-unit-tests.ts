import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { judgeReportLines } from "./judge-report-lines.ts";
import type { TestCase } from "./test-case.ts";
import { parseUnitTests, type UnitTest } from "./unittests-cfg.ts";

/**
 * The tests of the list that a machine of one processor can be asked: no nested virtualisation, no other hypervisor's devices,
 * no KVM of the host.
 */
const SELECTED: readonly string[] = [
  "access",
  "x2apic",
  "xapic",
  "ioapic",
  "cet",
  "cmpxchg8b",
  "debug",
  "emulator",
  "eventinj",
  "hypercall",
  "idt_test",
  "la57",
  "lam",
  "memory",
  "msr",
  "msr64",
  "pcid-asymmetric",
  "pcid-disabled",
  "pcid-enabled",
  "pks",
  "pku",
  "realmode",
  "rmap_chain",
  "s3",
  "setjmp",
  "sieve",
  "smap",
  "syscall",
  "taskswitch",
  "taskswitch2",
  "tsc",
  "tsc_adjust",
  "umip",
  "xsave",
];
const TIMEOUT_S = 300;
/** `access` goes through 18.7 million combinations, `sieve` three times through 100 MB. */
const TIMEOUTS_S: Readonly<Record<string, number>> = { access: 3600, sieve: 900 };
/**
 * The local APIC's tests make a hypercall of KVM's as soon as there is a test device, and what follows is lost where there is no
 * KVM; and they fail where the host takes the processor away for longer than their timers run.
 */
const LOCAL_APIC_TESTS: readonly string[] = ["x2apic", "xapic"];
const VIRTUAL_CLOCK = ["-icount", "shift=3"];
/** The machine that the suite's own script x86/run makes, but for the bus of the PCI test device. */
const MACHINE = ["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-m", "128"];
const DEVICES = ["-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"];

/** Files that the programs read as their environment: whether there is a test device. */
export interface Environments {
  readonly withDevice: string;
  readonly withoutDevice: string;
}

/**
 * The tests built in `folder`, a configured and made tree of kvm-unit-tests.
 * @throws Error of one line if it is none.
 */
export function kvmUnitTests(folder: string, environments: Environments): readonly TestCase[] {
  const list = join(folder, "x86/unittests.cfg");
  if (!existsSync(list)) throw new Error(`${folder} is no tree of kvm-unit-tests: it has no x86/unittests.cfg`);
  const arch = builtArch(folder);
  const tests = parseUnitTests(readFileSync(list, "utf8")).filter((test) => isWanted(test, arch));
  return tests.map((test) => testCase(test, folder, arch, environments));
}

/** What the tree was configured for. */
function builtArch(folder: string): string {
  const config = join(folder, "config.mak");
  const [, arch] = /^ARCH=(.+)$/m.exec(existsSync(config) ? readFileSync(config, "utf8") : "") ?? [];
  if (arch === undefined) throw new Error(`${folder}: not configured; run ./configure and make there`);
  return arch;
}

function isWanted({ name, arch }: UnitTest, built: string): boolean {
  if (arch !== undefined && arch !== built) return false;
  return SELECTED.includes(name);
}

/** KVM is not asked for, nor its host's processor, and 5-level paging is, which our `max` has on request only. */
function machineOf({ name, machine }: UnitTest): readonly string[] {
  const words = machine
    .filter((word) => word !== "-enable-kvm")
    .map((word, i, words) => (word === "host" && words[i - 1] === "-cpu" ? "max" : word));
  return name === "la57" ? words.map((word) => (word.startsWith("max") ? `${word},+la57` : word)) : words;
}

function testCase(test: UnitTest, folder: string, arch: string, environments: Environments): TestCase {
  const { name, file, args } = test;
  const isLocalApic = LOCAL_APIC_TESTS.includes(name);
  const append = args === "" ? [] : ["-append", args];
  return {
    suite: `kvm-unit-tests ${arch}`,
    name,
    args: [
      ...MACHINE,
      ...DEVICES,
      "-kernel",
      join(folder, "x86", file),
      "-initrd",
      isLocalApic ? environments.withoutDevice : environments.withDevice,
      ...append,
      ...machineOf(test),
      ...(isLocalApic ? VIRTUAL_CLOCK : []),
    ],
    timeoutS: TIMEOUTS_S[name] ?? TIMEOUT_S,
    judge: judgeReportLines,
  };
}
