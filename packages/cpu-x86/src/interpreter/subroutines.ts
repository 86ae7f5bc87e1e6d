import { CRYPTO_SUBROUTINES } from "../crypto/subroutines.ts";
import { loadUsualSegment } from "../emit/data-segments.ts";
import { reachGuest } from "../memory/tlb-probe.ts";
import type { Subroutine } from "../softfloat/subroutine.ts";
import { X87_SUBROUTINES } from "../softfloat/subroutines.ts";
import { fusedDoubles, fusedSingles } from "../sse/fused-multiply.ts";
import { putStagedArea, reachSaveArea, restorePlain, savePlain } from "../xstate/plain.ts";
import { AREA_SUBROUTINES } from "../xstate/routines.ts";

/** All subroutines that handlers may call. */
export const SUBROUTINES: readonly Subroutine[] = [
  ...X87_SUBROUTINES,
  fusedDoubles,
  fusedSingles,
  ...CRYPTO_SUBROUTINES,
  reachGuest,
  loadUsualSegment,
  ...AREA_SUBROUTINES,
  reachSaveArea,
  putStagedArea,
  savePlain,
  restorePlain,
];
