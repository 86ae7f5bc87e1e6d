import { rows as aes } from "./aes.ts";
import { rows as alu } from "./alu.ts";
import { rows as avx } from "./avx.ts";
import { rows as avxMemory } from "./avx-memory.ts";
import { rows as bcd } from "./bcd.ts";
import { rows as bit } from "./bit.ts";
import { rows as bmi2 } from "./bmi2.ts";
import { rows as bound } from "./bound.ts";
import { rows as branch } from "./branch.ts";
import { rows as crc32 } from "./crc32.ts";
import { rows as enforcedBranch } from "./enforced-branch.ts";
import { rows as exchange } from "./exchange.ts";
import { rows as f16c } from "./f16c.ts";
import { rows as far } from "./far.ts";
import { rows as fastCalls } from "./fast-calls.ts";
import { rows as flags } from "./flags.ts";
import { rows as fma } from "./fma.ts";
import { rows as interruptFlag } from "./interrupt-flag.ts";
import { rows as io } from "./io.ts";
import { rows as mmx } from "./mmx.ts";
import { rows as mov } from "./mov.ts";
import { rows as mulDiv } from "./mul-div.ts";
import { rows as nop } from "./nop.ts";
import { rows as opmask } from "./opmask.ts";
import { rows as random } from "./random.ts";
import type { Row } from "./row.ts";
import { rows as sha } from "./sha.ts";
import { rows as shadowStack } from "./shadow-stack.ts";
import { rows as shift } from "./shift.ts";
import { rows as sseApproximate } from "./sse-approximate.ts";
import { rows as sseArith } from "./sse-arith.ts";
import { rows as sseConvert } from "./sse-convert.ts";
import { rows as sseInt } from "./sse-int.ts";
import { rows as sseMmx } from "./sse-mmx.ts";
import { rows as sseMov } from "./sse-mov.ts";
import { rows as sseShift } from "./sse-shift.ts";
import { rows as sseShuffle } from "./sse-shuffle.ts";
import { rows as sseString } from "./sse-string.ts";
import { rows as stack } from "./stack.ts";
import { rows as string } from "./string.ts";
import { rows as system } from "./system.ts";
import { rows as x87Arithmetic } from "./x87-arithmetic.ts";
import { rows as x87Compare } from "./x87-compare.ts";
import { rows as x87Control } from "./x87-control.ts";
import { rows as x87Load } from "./x87-load.ts";
import { rows as x87Moves } from "./x87-moves.ts";
import { rows as x87Store } from "./x87-store.ts";
import { rows as x87Transcendental } from "./x87-transcendental.ts";

/** Every instruction there is. */
export const allRows: readonly Row[] = [
  ...alu,
  ...bcd,
  ...bit,
  ...bound,
  ...branch,
  ...enforcedBranch,
  ...crc32,
  ...exchange,
  ...flags,
  ...far,
  ...fastCalls,
  ...interruptFlag,
  ...io,
  ...system,
  ...mmx,
  ...mov,
  ...mulDiv,
  ...nop,
  ...random,
  ...shadowStack,
  ...shift,
  ...sseArith,
  ...sseApproximate,
  ...sseConvert,
  ...sseInt,
  ...sseMmx,
  ...sseMov,
  ...sseShift,
  ...sseShuffle,
  ...sseString,
  ...avx,
  ...avxMemory,
  ...fma,
  ...f16c,
  ...aes,
  ...sha,
  ...bmi2,
  ...stack,
  ...string,
  ...x87Arithmetic,
  ...x87Compare,
  ...x87Control,
  ...x87Load,
  ...x87Moves,
  ...x87Store,
  ...x87Transcendental,
  ...opmask,
];
