// Whether x87, MMX and SSE instructions may be executed at all.
import type { Val } from "@tsvm/tcg";
import type { FpuUse } from "../instructions/row.ts";
import { FSW } from "../softfloat/status-word.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { XSTATE } from "../state/xstate.ts";
import type { X86Builder } from "./x86-builder.ts";

/** SDM vol. 3A, "Emulation of and Support for the x87 FPU", and vol. 2A, "Exception Conditions" of SSE instructions. */
export function checkUnit(b: X86Builder, unit: FpuUse): void {
  const cr0 = b.state("cr0");
  const has = (mask: number) => b.ne(b.and(cr0, b.const(mask)), b.const(0));
  switch (unit) {
    case "wait":
      b.raiseIf(b.eq(b.and(cr0, b.const(CR0.MP | CR0.TS)), b.const(CR0.MP | CR0.TS)), "NM");
      break;
    case "x87":
    case "x87-no-wait":
      b.raiseIf(has(CR0.EM | CR0.TS), "NM");
      break;
    case "mmx":
    case "sse":
    case "mmx-sse":
      b.raiseIf(has(CR0.EM), "UD");
      if (unit !== "mmx") b.raiseIf(b.eqz(b.and(b.state("cr4"), b.const(CR4.OSFXSR))), "UD");
      b.raiseIf(has(CR0.TS), "NM");
      break;
    case "avx":
      checkAvx(b, cr0);
  }
  if (looksForPending(unit)) checkPending(b, cr0);
}

/** Whether the unit's instructions report what an earlier x87 instruction left. */
export const looksForPending = (unit: FpuUse): boolean => unit !== "sse" && unit !== "avx" && unit !== "x87-no-wait";

/** The operating system has AVX state enabled: #UD; CR0.TS: #NM. One branch as long as neither happens. */
function checkAvx(b: X86Builder, cr0: Val): void {
  const enabled = b.and(b.xor(b.state("xcr0"), b.const(-1)), b.const(XSTATE.SSE | XSTATE.AVX));
  const saving = b.and(b.xor(b.state("cr4"), b.const(-1)), b.const(CR4.OSXSAVE));
  const switched = b.and(cr0, b.const(CR0.TS));
  b.when(b.ne(b.or(b.or(enabled, saving), switched), b.const(0)), () => {
    b.raiseIf(b.ne(b.or(enabled, saving), b.const(0)), "UD");
    b.raise("NM");
  });
}

/**
 * #MF if an earlier instruction left an unmasked exception (FSW.ES). Without CR0.NE the FERR# pin would ask for an
 * interrupt instead, which no machine here has wired. SDM vol. 1, "Software Exception Handling".
 */
export function checkPending(b: X86Builder, cr0: Val): void {
  const pending = b.ne(b.and(b.state("fpuStatus"), b.const(FSW.ES)), b.const(0));
  b.when(pending, () => b.raiseIf(b.ne(b.and(cr0, b.const(CR0.NE)), b.const(0)), "MF"));
}
