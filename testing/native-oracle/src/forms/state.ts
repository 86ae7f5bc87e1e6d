import { createInitialState, FXSAVE } from "../cpu-state.ts";
import { SAVE_AREAS } from "../environment.ts";
import { type Draft, patch, REGISTERS } from "../generate/draft.ts";
import { placeMemoryOperand } from "../generate/memory-operand.ts";
import { type Form, type FormOptions, form } from "./form.ts";

/** Bytes of the legacy region, after which the header stands. */
const HEADER = 512;
const PKRU = 1 << 9;

/** EDX:EAX asks for x87, SSE and AVX in any combination; never for PKRU, which is not the vector's. */
function chooseComponents(draft: Draft): void {
  const { random, overrides } = draft;
  const others = BigInt((random.u32() & ~7 & ~PKRU) >>> 0);
  overrides.set(REGISTERS.rax, (BigInt(random.u32()) << 32n) | others | BigInt(random.below(8)));
}

/** A save area, mostly where it may be; the displacement and registers chosen before are chosen again. */
function chooseArea(draft: Draft): number {
  const { random } = draft;
  draft.sib = draft.displacement = draft.ripTarget = undefined;
  draft.rex.x = draft.rex.b = false;
  const area = random.pick(SAVE_AREAS);
  const address = random.oneIn(12) ? area + 8 * (1 + 2 * random.below(4)) : area;
  placeMemoryOperand(draft, address);
  chooseComponents(draft);
  return address;
}

/** Another seed's state with a header that is valid most of the time. */
function chooseImage(draft: Draft): void {
  const { random } = draft;
  const address = chooseArea(draft);
  const { fxsave } = createInitialState(
    draft.environment,
    random.below(1 << 14),
    random.pick(["x87", "single", "mmx"]),
  );
  if (random.oneIn(12)) new DataView(fxsave.buffer).setUint32(FXSAVE.mxcsr, 0x1_1f80, true);
  draft.patches.push({ address, bytes: fxsave.slice(0, FXSAVE.ymm) });
  const compacted = random.oneIn(2);
  const present = BigInt(random.below(8) | (random.oneIn(16) ? 1 << 5 : 0));
  const layout = BigInt(random.oneIn(8) ? random.below(8) : 7);
  patch(draft, address + HEADER, present, 8);
  patch(draft, address + HEADER + 8, compacted ? (1n << 63n) | layout : random.oneIn(12) ? 1n : 0n, 8);
  patch(draft, address + HEADER + 16, random.oneIn(16) ? 1n : 0n, 8);
  for (let i = 24; i < 64; i += 8) patch(draft, address + HEADER + i, 0n, 8);
}

const save: FormOptions = {
  flavour: "x87",
  mapped: true,
  sized: true,
  noRexW: true,
  prepare: (draft) => void chooseArea(draft),
};
const restore: FormOptions = { ...save, prepare: chooseImage };

/** FXSAVE and the XSAVE family; with 66 they are #UD. */
export const state: readonly Form[] = [
  form("0F AE /0", "FXSAVE M", save),
  form("0F AE /4", "XSAVE M", save),
  form("0F AE /6", "XSAVEOPT M", save),
  form("0F C7 /4", "XSAVEC M", save),
  form("0F C7 /5", "XSAVES M", save),
  form("0F AE /5", "XRSTOR M", restore),
  form("0F C7 /3", "XRSTORS M", restore),
  form("0F 01 D0", "XGETBV", {
    prepare: ({ overrides, random }) => void overrides.set(REGISTERS.rcx, BigInt(random.oneIn(3) ? 2 : 0)),
  }),
];
