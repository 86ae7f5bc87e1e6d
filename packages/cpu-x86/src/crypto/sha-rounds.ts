// Rounds of SHA-1 and SHA-256. FIPS 180-4; SDM vol. 2B, SHA1RNDS4 and SHA256RNDS2. Values are i32.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";

/** i32 arithmetic by short names. */
class Words {
  readonly b: IrBuilder;
  constructor(b: IrBuilder) {
    this.b = b;
  }
  add = (...values: readonly Val[]): Val => values.reduce((x, y) => this.b.op("i32.add", x, y));
  xor = (...values: readonly Val[]): Val => values.reduce((x, y) => this.b.op("i32.xor", x, y));
  and = (x: Val, y: Val): Val => this.b.op("i32.and", x, y);
  right = (x: Val, count: number): Val => this.b.op("i32.rotr", x, this.b.const32(count));
  left = (x: Val, count: number): Val => this.b.op("i32.rotl", x, this.b.const32(count));
  lane = (vector: Val, i: number): Val => this.b.lane("i32x4.extract_lane", i, vector);
  /** y where x has ones, else z. */
  choose = (x: Val, y: Val, z: Val): Val => this.xor(this.and(x, this.xor(y, z)), z);
  majority = (x: Val, y: Val, z: Val): Val => this.xor(this.and(x, this.xor(y, z)), this.and(y, z));
  parity = (x: Val, y: Val, z: Val): Val => this.xor(x, y, z);

  /** From lane 0 up. */
  vector(words: readonly Val[]): Val {
    const first = this.b.op("i32x4.splat", words[0] as Val);
    return words.slice(1).reduce((vector, word, i) => this.b.lane("i32x4.replace_lane", i + 1, vector, word), first);
  }
}

const SHA1_CONSTANTS = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/** Four rounds on ABCD (A in the highest lane) with four words plus E; the i32 tells which quarter of the 80 rounds. */
export const sha1Rounds: Subroutine = {
  name: "sha1Rounds",
  params: ["v128", "v128", "i32"],
  result: "v128",
  body: (b, state, words, quarter) => {
    const w = new Words(b);
    const is = (number: number): Val => b.op("i32.eq", quarter!, b.const32(number));
    const either = <T>(pick: (i: number) => T, select: (condition: Val, x: T, y: T) => T): T =>
      select(is(0), pick(0), select(is(1), pick(1), select(is(2), pick(2), pick(3))));
    const constant = either(
      (i) => b.const32(SHA1_CONSTANTS[i] as number),
      (condition, x, y) => b.select(condition, x, y),
    );
    let [a, c1, c2, c3] = [3, 2, 1, 0].map((i) => w.lane(state!, i)) as [Val, Val, Val, Val];
    let e = b.const32(0);
    for (let round = 0; round < 4; round++) {
      const mixed = b.select(
        is(0),
        w.choose(c1, c2, c3),
        b.select(is(2), w.majority(c1, c2, c3), w.parity(c1, c2, c3)),
      );
      const next = w.add(mixed, w.left(a, 5), w.lane(words!, 3 - round), e, constant);
      [a, c1, c2, c3, e] = [next, a, w.left(c1, 30), c2, c3];
    }
    giveBack(b, w.vector([c3, c2, c1, a]));
  },
};

/** Two rounds on CDGH and ABEF with the low two of the words, which have their constants added. */
export const sha256Rounds: Subroutine = {
  name: "sha256Rounds",
  params: ["v128", "v128", "v128"],
  result: "v128",
  body: (b, cdgh, abef, words) => {
    const w = new Words(b);
    let [a, c1, e, f] = [3, 2, 1, 0].map((i) => w.lane(abef!, i)) as [Val, Val, Val, Val];
    let [c, d, g, h] = [3, 2, 1, 0].map((i) => w.lane(cdgh!, i)) as [Val, Val, Val, Val];
    for (let round = 0; round < 2; round++) {
      const sum1 = w.xor(w.right(e, 6), w.right(e, 11), w.right(e, 25));
      const sum0 = w.xor(w.right(a, 2), w.right(a, 13), w.right(a, 22));
      const first = w.add(w.choose(e, f, g), sum1, w.lane(words!, round), h);
      const second = w.add(w.majority(a, c1, c), sum0);
      [a, c1, c, d, e, f, g, h] = [w.add(first, second), a, c1, c, w.add(first, d), e, f, g];
    }
    giveBack(b, w.vector([f, e, c1, a]));
  },
};
