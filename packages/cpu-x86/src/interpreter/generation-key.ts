import { RECORD } from "../decode/decoded-insn.ts";
import { numbering } from "../decode/decoder.ts";
import { AT } from "../state/layout.ts";
import * as memoryMap from "../state/memory-map.ts";
import { HELPERS } from "../system/helpers.ts";

/**
 * What a generated interpreter and the sources that use it must agree on, as a number: handlers, helpers, record and
 * state layout. One made from other sources would run the wrong handlers without a word.
 */
export function generationKey(): number {
  // Bundlers and test runners list a module's exports in an order of their own.
  const places = Object.entries(memoryMap).sort(([a], [b]) => (a < b ? -1 : 1));
  return fnv1a(numbering.description + JSON.stringify([AT, RECORD, places, Object.keys(HELPERS)]));
}

/** 32-bit FNV-1a. Source: draft-eastlake-fnv, "The FNV-1a Algorithm". */
function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}
