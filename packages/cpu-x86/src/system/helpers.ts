// Instructions too big to be generated: one TypeScript function on CPU state each, called by number. Arguments are in
// `helperArgs`, rip is at the next instruction.
import { endBranch, missingEndbranch } from "../cet/branch-tracking.ts";
import { callNear, returnNear } from "../cet/near-transfers.ts";
import { clrssbsy, incssp, rstorssp, saveprevssp, setssbsy, wrss, wruss } from "../cet/shadow-instructions.ts";
import { cpuid } from "../cpuid/leaves.ts";
import { breakpoint, debugTrap, overflow, softwareInterrupt } from "../exceptions/software-interrupt.ts";
import { rdmsr, wrmsr } from "../msr/table.ts";
import { callFar, jumpFar } from "../segments/far-jump.ts";
import { returnFar, returnFromInterrupt } from "../segments/far-return.ts";
import { beginRounding, endRounding } from "../sse/evex-control.ts";
import { endFloat, sseDotProduct, sseFloat } from "../sse/float-helper.ts";
import { sseCompareStrings } from "../sse/string-compare.ts";
import type { Cpu, HelperResult } from "../state/cpu.ts";
import { clts, lmsw, movFromCr, movToCr } from "./control-registers.ts";
import { movFromDr, movToDr } from "./debug-registers.ts";
import { evexGather, evexScatter, loadCompressed, loadMasked, storeCompressed, storeMasked } from "./evex-memory.ts";
import { readSegmentBase, swapgs, syscall, sysenter, sysexit, sysret, writeSegmentBase } from "./fast-calls.ts";
import { fxrstor, fxsave, ldmxcsr } from "./fpu-state.ts";
import { hlt, monitor, mwait } from "./idle.ts";
import { clac, cli, popf, stac, sti } from "./interrupt-flag.ts";
import { checkSupervisor, invlpg, invpcid } from "./invalidate.ts";
import { movdir64b } from "./memory-block.ts";
import { portIn, portInString, portOut, portOutString } from "./port-io.ts";
import { rdpkru, wrpkru } from "./protection-keys.ts";
import { rdrand } from "./random.ts";
import { loadFarPointer, movToSegment, popSegment } from "./segment-moves.ts";
import { lar, lsl, verr, verw } from "./selector-checks.ts";
import { checkUmip, lgdt, lidt, lldt, ltr, sgdt, sidt } from "./table-registers.ts";
import { rdpid } from "./time-stamp.ts";
import { gather, maskedLoad, maskedStore } from "./vector-memory.ts";
import { evexNarrow, evexPermute } from "./vector-permute.ts";
import { fldenv, fnsave, fnstenv, frstor } from "./x87-environment.ts";
import { x87Transcendental } from "./x87-transcendental.ts";
import { xgetbv, xrstor, xrstors, xsave, xsavec, xsaveopt, xsaves, xsetbv } from "./xsave.ts";

/** All helpers; a helper's number is its position: those of AVX-512 come last. */
export const HELPERS = {
  breakpoint,
  callFar,
  callNear,
  checkSupervisor,
  checkUmip,
  clac,
  cli,
  clrssbsy,
  clts,
  cpuid,
  debugTrap,
  endBranch,
  fldenv,
  fnsave,
  fnstenv,
  frstor,
  fxrstor,
  fxsave,
  gather,
  hlt,
  incssp,
  invlpg,
  invpcid,
  jumpFar,
  lar,
  ldmxcsr,
  lgdt,
  lidt,
  lldt,
  lmsw,
  loadFarPointer,
  lsl,
  ltr,
  maskedLoad,
  maskedStore,
  missingEndbranch,
  monitor,
  movFromCr,
  movFromDr,
  movToCr,
  movToDr,
  movToSegment,
  movdir64b,
  mwait,
  overflow,
  popSegment,
  popf,
  portIn,
  portInString,
  portOut,
  portOutString,
  rdmsr,
  rdpid,
  rdpkru,
  rdrand,
  readSegmentBase,
  returnFar,
  returnFromInterrupt,
  returnNear,
  rstorssp,
  saveprevssp,
  setssbsy,
  sgdt,
  sidt,
  softwareInterrupt,
  sseCompareStrings,
  sseDotProduct,
  sseFloat,
  stac,
  sti,
  swapgs,
  syscall,
  sysenter,
  sysexit,
  sysret,
  verr,
  verw,
  writeSegmentBase,
  wrmsr,
  wrpkru,
  wrss,
  wruss,
  x87Transcendental,
  xgetbv,
  xrstor,
  xrstors,
  xsave,
  xsavec,
  xsaveopt,
  xsaves,
  xsetbv,
  beginRounding,
  endFloat,
  endRounding,
  evexGather,
  evexNarrow,
  evexPermute,
  evexScatter,
  loadCompressed,
  loadMasked,
  storeCompressed,
  storeMasked,
} as const satisfies Readonly<Record<string, (cpu: Cpu) => HelperResult>>;

/** Name of a helper. */
export type HelperName = keyof typeof HELPERS;
