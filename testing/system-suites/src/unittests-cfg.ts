// kvm-unit-tests' list of its own tests, x86/unittests.cfg; its format is described in docs/unittests.txt there.

/** One section: a built test and the machine it wants. */
export interface UnitTest {
  readonly name: string;
  /** Built test, relative to the folder of the list. */
  readonly file: string;
  /** What goes behind the program's own name. */
  readonly args: string;
  /** Options of QEMU, split into words. */
  readonly machine: readonly string[];
  /** `i386` or `x86_64`; undefined: both. */
  readonly arch: string | undefined;
}

/** Reads the list. Sections without a file are none. */
export function parseUnitTests(text: string): readonly UnitTest[] {
  const tests: UnitTest[] = [];
  let name = "";
  let fields = new Map<string, string>();
  const finish = (): void => {
    const file = fields.get("file");
    if (file !== undefined) tests.push(unitTest(name, file, fields));
  };
  for (const line of text.split("\n")) {
    const section = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (section !== undefined) {
      finish();
      [name, fields] = [section, new Map()];
      continue;
    }
    const [, key, value] = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) fields.set(key, value as string);
  }
  finish();
  return tests;
}

function unitTest(name: string, file: string, fields: ReadonlyMap<string, string>): UnitTest {
  const quoted = fields.get("test_args") ?? "";
  return {
    name,
    file,
    args: quoted.replace(/^(['"])(.*)\1$/, "$2"),
    machine: (fields.get("qemu_params") ?? "").split(/\s+/).filter(Boolean),
    arch: fields.get("arch"),
  };
}
