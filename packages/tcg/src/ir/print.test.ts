import { expect, test } from "vitest";
import { IrBuilder } from "./builder.ts";
import { printNodes } from "./print.ts";

test("values, memory and variables", () => {
  const b = new IrBuilder();
  const x = b.load("i64.load", undefined, 0x100);
  const count = b.variable(x);
  const sum = b.add(b.get(count), b.const(-4096));
  b.store("i64.store32", b.wrap(sum), 8, b.shl(sum, b.const(3)));
  const wide = b.vector(1n, 0n);
  b.lane("i32x4.extract_lane", 2, wide);
  b.select(b.eqz(sum), x, sum);
  b.copyMemory(b.wrap(x), b.const32(0x10000), b.const32(16));
  expect(printNodes(b.take()).map((line) => line.replace(/\bv(?!128)\d+/g, "v").replace(/\$\d+/g, "$"))).toEqual([
    "v: i64 = i64.load [0x100]",
    "$ = v",
    "v: i64 = $",
    "v: i64 = i64.add v, -0x1000",
    "v: i32 = i32.wrap_i64 v",
    "v: i64 = i64.shl v, 3",
    "i64.store32 [v+8], v",
    "v: v128 = bytes 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    "v: i32 = i32x4.extract_lane[2] v",
    "v: i32 = i64.eqz v",
    "v: i64 = v ? v : v",
    "v: i32 = i32.wrap_i64 v",
    "copy [v] from [0x10000], 16 bytes",
  ]);
});

test("a value is named by its number wherever it is used", () => {
  const b = new IrBuilder();
  const x = b.load("i32.load", undefined, 4);
  const y = b.load("i32.load", x, 0);
  b.call("helper", [x, y]);
  const found = b.call("lookup", [], "i32");
  b.exit("leave", found);
  expect(printNodes(b.take())).toEqual([
    `v${x.id}: i32 = i32.load [0x4]`,
    `v${y.id}: i32 = i32.load [v${x.id}]`,
    `call helper(v${x.id}, v${y.id})`,
    `v${found.id}: i32 = call lookup()`,
    `exit leave(v${found.id})`,
  ]);
});

test("control is indented", () => {
  const b = new IrBuilder();
  const x = b.load("i32.load", undefined, 4);
  b.loop(({ break: leave, continue: again }) => {
    b.when(
      x,
      () => b.when(b.isFalse(x), () => leave()),
      () => b.goTo(3),
    );
    again();
  });
  expect(printNodes(b.take()).map((line) => line.replace(/v\d+/g, "v"))).toEqual([
    "v: i32 = i32.load [0x4]",
    "loop L0 {",
    "  if v {",
    "    v: i32 = i32.eqz v",
    "    if v {",
    "      break L0",
    "    }",
    "  } else {",
    "    goto block 3",
    "  }",
    "  continue L0",
    "}",
  ]);
});

test("names take the place of numbers", () => {
  const b = new IrBuilder();
  const x = b.load("i64.load", undefined, 0x40);
  const count = b.variable(x);
  b.exit("leave", b.const32(7), x);
  const lines = printNodes(b.take(), {
    exit: (name, [first]) => (name === "leave" ? `leave for ${first?.constant}` : undefined),
    variable: ({ variable }) => (variable === count.variable ? "count" : undefined),
    address: (address) => (address === 0x40 ? "rip" : undefined),
  });
  expect(lines).toEqual([`v${x.id}: i64 = i64.load rip`, `count = v${x.id}`, "leave for 7"]);
});
