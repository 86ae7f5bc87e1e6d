import { describe, expect, test } from "vitest";
import { orderRooms, ROOMS, type Room } from "../src/architecture.ts";
import { findBreaches } from "../src/check.ts";
import type { Import, Manifest, Workspace } from "../src/workspace.ts";

const room = (imports: readonly string[], more: Partial<Room> = {}): Room => ({
  owns: "",
  doesNotOwn: "",
  imports,
  ...more,
});

const TABLE = {
  low: room([]),
  high: room(["low"]),
  front: room(["high"], { usesNode: true, thirdParty: ["koffi"] }),
  page: room(["high"], { usesDom: true, bundles: ["@xterm/xterm"] }),
};

interface Folder extends Omit<Partial<Workspace>, "imports" | "manifest"> {
  readonly dependencies?: readonly string[];
  readonly devDependencies?: readonly string[];
  readonly imports?: readonly [file: string, specifier: string][];
  readonly name?: string;
}

function workspace(folder: string, more: Folder = {}): Workspace {
  const { dependencies = [], devDependencies = [] } = more;
  const versions = (names: readonly string[]): Record<string, string> => Object.fromEntries(names.map((n) => [n, "*"]));
  const manifest: Manifest = {
    name: more.name ?? `@tsvm/${folder}`,
    dependencies: versions(dependencies),
    devDependencies: versions(devDependencies),
  };
  const ours = dependencies.filter((name) => name.startsWith("@tsvm/")).map((name) => name.slice(6));
  const imports: readonly Import[] = (more.imports ?? []).map(([file, specifier]) => ({ file, specifier }));
  return {
    folder,
    manifest,
    imports,
    references: more.references ?? ours,
    types: more.types ?? [],
    libs: more.libs ?? [],
  };
}

/** A workspace that keeps the table, with one package replaced. */
function breachesWith(replaced: Workspace, helpers: readonly Workspace[] = []): readonly string[] {
  const sound = [
    workspace("low"),
    workspace("high", { dependencies: ["@tsvm/low"] }),
    workspace("front", { dependencies: ["@tsvm/high"] }),
    workspace("page", { dependencies: ["@tsvm/high"] }),
  ];
  const packages = sound.map((one) => (one.folder === replaced.folder ? replaced : one));
  return findBreaches(TABLE, packages, helpers);
}

const high = (imports: readonly [string, string][], dependencies = ["@tsvm/low"]): Workspace =>
  workspace("high", { dependencies, imports });

describe("findBreaches", () => {
  test("finds nothing where the table is kept", () => {
    const imports: [string, string][] = [
      ["src/a.ts", "@tsvm/low"],
      ["src/a.ts", "./b.ts"],
      ["src/sub/a.ts", "../b.ts"],
      ["src/a.test.ts", "vitest"],
      ["src/a.test.ts", "node:fs"],
      ["tools/generate.ts", "../src/a.ts"],
    ];
    expect(breachesWith(high(imports))).toEqual([]);
  });

  test.each<[string, Workspace, string]>([
    ["an import upward", high([["src/a.ts", "@tsvm/front"]]), "packages/high: src/a.ts may not import @tsvm/front"],
    [
      "a deep import",
      high([["test/a.ts", "@tsvm/low/src/x.ts"]]),
      "packages/high: test/a.ts reaches inside @tsvm/low/src/x.ts",
    ],
    ["Node below the frontends", high([["src/a.ts", "node:fs"]]), "packages/high: src/a.ts may not use Node: node:fs"],
    ["a package of others", high([["src/a.ts", "koffi/x"]]), "packages/high: src/a.ts may not import koffi/x"],
    [
      "a way round the manifest",
      high([["src/a.ts", "../../low/src/x.ts"]]),
      "packages/high: src/a.ts reaches out of its package: ../../low/src/x.ts",
    ],
    [
      "an undeclared import",
      high([["src/a.ts", "@tsvm/low"]], []),
      "packages/high: src/a.ts imports @tsvm/low, package.json does not declare it",
    ],
    [
      "a dependency not in the table",
      workspace("low", { dependencies: ["left-pad"] }),
      "packages/low: package.json may not depend on left-pad",
    ],
    [
      "Node's types below the frontends",
      workspace("low", { types: ["node"] }),
      "packages/low: tsconfig.src.json brings in node",
    ],
    [
      "the DOM below the frontends",
      workspace("low", { libs: ["es2024", "dom"] }),
      "packages/low: tsconfig.src.json brings in lib dom",
    ],
    [
      "a package to be built in that would be installed",
      workspace("page", { dependencies: ["@xterm/xterm"] }),
      "packages/page: package.json may not depend on @xterm/xterm",
    ],
    [
      "a package to be built in that is not declared",
      workspace("page", { imports: [["src/a.ts", "@xterm/xterm"]] }),
      "packages/page: src/a.ts may not import @xterm/xterm",
    ],
    [
      "a missing project reference",
      workspace("high", { dependencies: ["@tsvm/low"], references: [] }),
      "packages/high: tsconfig.src.json does not reference low",
    ],
    [
      "a stale project reference",
      workspace("low", { references: ["high"] }),
      "packages/low: tsconfig.src.json references high, package.json does not",
    ],
    ["a wrong name", workspace("low", { name: "@tsvm/lower" }), "packages/low: is named @tsvm/lower"],
  ])("reports %s", (_, replaced, breach) => {
    expect(breachesWith(replaced)).toContain(breach);
  });

  test("allows Node and a listed package of others in a frontend", () => {
    const imports: [string, string][] = [
      ["src/a.ts", "node:tty"],
      ["src/a.ts", "koffi"],
    ];
    expect(breachesWith(workspace("front", { dependencies: ["koffi"], imports, types: ["node"] }))).toEqual([]);
  });

  test("allows the DOM and a listed package to be built in in a page", () => {
    const imports: [string, string][] = [["src/a.ts", "@xterm/xterm/css/xterm.css"]];
    expect(breachesWith(workspace("page", { devDependencies: ["@xterm/xterm"], imports, libs: ["dom"] }))).toEqual([]);
  });

  test("reports a package without a row and a row without a package", () => {
    const breaches = findBreaches(TABLE, [workspace("low"), workspace("odd")]);
    expect(breaches).toContain("packages/odd: not in the architecture table");
    expect(breaches).toContain("table: there is no packages/front");
  });

  test("reports a circle through development dependencies", () => {
    const fakes = workspace("fakes", { name: "@tsvm-testing/fakes", dependencies: ["@tsvm/low"] });
    const low = workspace("low", { devDependencies: ["@tsvm-testing/fakes"] });
    expect(breachesWith(low, [fakes])).toEqual(["circle: @tsvm/low -> @tsvm-testing/fakes -> @tsvm/low"]);
  });
});

describe("orderRooms", () => {
  test("puts each room after what it imports", () => {
    const order = orderRooms(ROOMS);
    for (const [name, { imports }] of Object.entries(ROOMS)) {
      for (const below of imports) expect(order.indexOf(below)).toBeLessThan(order.indexOf(name));
    }
  });
  test("names a circle and an unknown room", () => {
    expect(() => orderRooms({ a: room(["b"]), b: room(["a"]) })).toThrow("circle: a -> b -> a");
    expect(() => orderRooms({ a: room(["c"]) })).toThrow("a imports c, which is not in the table");
  });
});

describe("the facts the house rests on", () => {
  test("devices know contracts only", () => {
    for (const [name, { imports }] of Object.entries(ROOMS)) {
      if (name.startsWith("devices-")) expect([name, imports]).toEqual([name, ["contracts"]]);
    }
  });
  test("mmu stands alone, and tcg does not know it", () => {
    expect(ROOMS["mmu"]?.imports).toEqual([]);
    expect(ROOMS["tcg"]?.imports).not.toContain("mmu");
  });
  test("a board is given its accelerator", () => {
    expect(ROOMS["machine-pc"]?.imports.filter((name) => name.startsWith("accel-"))).toEqual([]);
  });
});
