// Placeholder by the lead until the system engineer's registry replaces this file.
import type { Cpu, HelperResult } from "../state/cpu.ts";
const undefinedHelper = (cpu: Cpu): HelperResult => cpu.raise("UD");
export const HELPERS = { movToSegment: undefinedHelper, popSegment: undefinedHelper } as const satisfies Record<string, (cpu: Cpu) => HelperResult>;
export type HelperName = keyof typeof HELPERS;
