import { expect, test } from "vitest";
import { SymbolMap } from "./symbol-map.ts";

const MAP = SymbolMap.parse(`
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t helper
ffffffff81000100 T alias
ffffffff81002000 D jiffies
ffffffffc0000000 t probe\t[virtio_blk]
`);
const nameAt = (address: bigint): string | undefined => MAP.find(address)?.name;

test("an address belongs to the nearest function below it", () => {
  expect(MAP.find(0xffffffff81000000n)).toEqual({ name: "_stext", offset: 0 });
  expect(MAP.find(0xffffffff810000ffn)).toEqual({ name: "_stext", offset: 0xff });
  expect(MAP.find(0xffffffff81000180n)).toEqual({ name: "alias", offset: 0x80 });
  expect(nameAt(0xffffffffc0000010n)).toBe("probe");
});

test("behind data there is no function, nor in user space", () => {
  expect(nameAt(0xffffffff81002010n)).toBeUndefined();
  expect(nameAt(0x401000n)).toBeUndefined();
  expect(new SymbolMap([]).find(1n)).toBeUndefined();
});

test.each([
  [
    "Debian's place holder",
    "ffffffffffffffff B The real System.map is in the linux-image-dbg package",
    /^line 1 is no/,
  ],
  ["what is no text", "\u0000\u0001\u0002", /^line 1 is no/],
  ["a map with a bad line", "1000 T a\n1010 T\n", /^line 2 is no/],
  ["kallsyms as others than root see it", "0000000000000000 T startup_64\n", /^no addresses of functions/],
  ["an empty file", "", /^no addresses of functions/],
])("%s is refused", (_what, text, message) => {
  expect(() => SymbolMap.parse(text)).toThrow(message);
});
