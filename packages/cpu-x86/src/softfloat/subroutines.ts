import { add } from "./add.ts";
import { compare } from "./compare.ts";
import { fromDecimal, toDecimal } from "./decimal.ts";
import { divide } from "./divide.ts";
import { invalidOperation, noteExceptions, propagateNan } from "./exceptions.ts";
import { roundToIntegral, toMagnitude } from "./integer.ts";
import { multiply } from "./multiply.ts";
import { fromDouble, fromSingle, toDouble, toSingle } from "./narrow.ts";
import { remainder } from "./remainder.ts";
import { roundAndStore } from "./round.ts";
import { extract, scale } from "./scale.ts";
import { squareRoot } from "./square-root.ts";
import type { Subroutine } from "./subroutine.ts";
import { storeResult } from "./transcendental.ts";

/** Every subroutine of the x87. */
export const X87_SUBROUTINES: readonly Subroutine[] = [
  noteExceptions,
  invalidOperation,
  propagateNan,
  roundAndStore,
  add,
  multiply,
  divide,
  squareRoot,
  remainder,
  scale,
  extract,
  compare,
  toMagnitude,
  roundToIntegral,
  fromSingle,
  fromDouble,
  toSingle,
  toDouble,
  fromDecimal,
  toDecimal,
  storeResult,
];
