// 32-bit arithmetic on CPU state and save areas, by short names.
import type { IrBuilder, Val } from "@tsvm/tcg";

/** Values are i32. A place without a base is in CPU state. */
export class Words {
  readonly b: IrBuilder;

  constructor(b: IrBuilder) {
    this.b = b;
  }

  const = (value: number): Val => this.b.const32(value);
  load = (at: number, base?: Val): Val => this.b.load("i32.load", base, at);
  store = (at: number, value: Val, base?: Val): void => this.b.store("i32.store", base, at, value);
  and = (x: Val, y: Val | number): Val => this.b.op("i32.and", x, this.#val(y));
  or = (...values: readonly Val[]): Val => values.reduce((x, y) => this.b.op("i32.or", x, y));
  xor = (x: Val, y: Val | number): Val => this.b.op("i32.xor", x, this.#val(y));
  add = (x: Val, y: Val | number): Val => this.b.op("i32.add", x, this.#val(y));
  sub = (x: Val, y: Val | number): Val => this.b.op("i32.sub", this.#val(x), this.#val(y));
  shl = (x: Val, count: number): Val => this.b.op("i32.shl", x, this.const(count));
  shr = (x: Val, count: number): Val => this.b.op("i32.shr_u", x, this.const(count));
  eq = (x: Val, y: Val | number): Val => this.b.op("i32.eq", x, this.#val(y));
  isZero = (x: Val): Val => this.b.op("i32.eqz", x);
  /** `x` without the bits of `y`. */
  without = (x: Val, y: Val): Val => this.and(x, this.xor(y, -1));
  /** Whether one of the bits is set. */
  has = (x: Val, bits: number): Val => this.b.op("i32.ne", this.and(x, bits), this.const(0));
  /** The larger one, unsigned. */
  max = (x: Val, y: Val): Val => this.b.select(this.b.op("i32.gt_u", x, y), x, y);

  #val(x: Val | number): Val {
    return typeof x === "number" ? this.const(x) : x;
  }
}
