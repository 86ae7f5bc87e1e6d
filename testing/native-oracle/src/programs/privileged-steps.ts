/** Privileged things programs do, by the mode they run in. */
import { OWN_PARAGRAPH_STEPS, PARAGRAPH_STEPS } from "./paragraph-steps.ts";
import { OWN_REAL_STEPS, REAL_STEPS } from "./real-steps.ts";
import { type Place, protectedStep, type Step } from "./system-steps.ts";
import { OWN_VIRTUAL_STEPS, VIRTUAL_STEPS } from "./virtual-steps.ts";

const SHARED = {
  real: [...PARAGRAPH_STEPS, ...REAL_STEPS],
  virtual: [...PARAGRAPH_STEPS, ...VIRTUAL_STEPS],
} as const satisfies Readonly<Record<string, readonly Step[]>>;
const ALL = {
  real: [...SHARED.real, ...OWN_PARAGRAPH_STEPS, ...OWN_REAL_STEPS],
  virtual: [...SHARED.virtual, ...OWN_PARAGRAPH_STEPS, ...OWN_VIRTUAL_STEPS],
} as const satisfies Readonly<Record<string, readonly Step[]>>;

/** A random one. @param own whether the program runs on our engines only */
export function privilegedStep(place: Place, own: boolean): readonly number[] {
  const { paragraphs } = place.mode;
  if (paragraphs === undefined) return protectedStep(place, own);
  return place.random.pick<Step>((own ? ALL : SHARED)[paragraphs])(place);
}
