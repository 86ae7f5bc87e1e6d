import { alu } from "./alu.ts";
import { avx, bmi, fma } from "./avx.ts";
import { bit } from "./bit.ts";
import { branch } from "./branch.ts";
import { crypto, galois } from "./crypto.ts";
import { dataMovement } from "./data-movement.ts";
import { far } from "./far.ts";
import type { Form } from "./form.ts";
import { shift } from "./shift.ts";
import { mmx, sse } from "./sse.ts";
import { stack } from "./stack.ts";
import { state } from "./state.ts";
import { string } from "./string.ts";
import { system } from "./system.ts";
import { x87 } from "./x87.ts";

/** Every form that has vectors, by family; a family is one file of the corpus. */
export const FAMILIES: Readonly<Record<string, readonly Form[]>> = {
  alu,
  shift,
  "data-movement": dataMovement,
  stack,
  branch,
  far,
  bit,
  string,
  system,
  sse,
  mmx,
  x87,
  avx,
  fma,
  bmi,
  crypto,
  galois,
  state,
};
