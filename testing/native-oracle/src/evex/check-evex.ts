/** What the host's CPU and our engine made of one case. */
import type { Row } from "@tsvm/cpu-x86";
import type { Difference } from "../compare.ts";
import { STATUS_FLAGS } from "../cpu-state.ts";
import { CASE, WIDE_ROWS, ZMM_BYTES, ZMMS } from "./evex-case.ts";
import { MASKS } from "./evex-encoding.ts";

const SIGILL = 4;
/** Linux's signals, and the exceptions they stand for. */
const EXCEPTIONS: Readonly<Record<number, readonly number[]>> = {
  0: [0],
  [SIGILL]: [6],
  8: [19],
  11: [13, 14],
  7: [17],
};

/** The signal that an exception becomes; 0 for none. */
export const signalOf = (vector: number): number =>
  Number(Object.keys(EXCEPTIONS).find((signal) => EXCEPTIONS[Number(signal)]?.includes(vector)));

/** Gathers and scatters have addresses in a vector; the manual bounds the error of approximations, and makers have tables of their own. */
const isLeftOut = ({ mnemonic, vsib }: Row): boolean => vsib === true || /^V(RCP|RSQRT)14/.test(mnemonic);

/** All others: those that processors are asked about. */
export const ASKED_ROWS: readonly Row[] = WIDE_ROWS.filter((row) => !isLeftOut(row));

/** The signal in what the host made of a case. */
export const hostSignal = (host: Uint8Array): number =>
  new DataView(host.buffer, host.byteOffset, host.length).getUint32(CASE.signal, true);

/** Whether it is #UD: where all cases of a row are, nothing was compared. */
export const isUndefined = (host: Uint8Array): boolean => hostSignal(host) === SIGILL;

/** Differences of ours from the host's: nothing but the exception counts where there is one. */
export function compareEvex(host: Uint8Array, ours: Uint8Array): readonly Difference[] {
  const [a, b] = [host, ours].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) as [
    DataView,
    DataView,
  ];
  const [signal, vector] = [a.getUint32(CASE.signal, true), b.getUint32(CASE.signal, true)];
  if (EXCEPTIONS[signal]?.includes(vector) !== true)
    return [{ field: "exception", expected: `signal ${signal}`, actual: String(vector) }];
  if (signal !== 0) return [];
  const differences: Difference[] = [];
  const check = (field: string, at: number, bytes: number): void => {
    const [expected, actual] = [host, ours].map((all) => hexOf(all.subarray(at, at + bytes))) as [string, string];
    if (expected !== actual) differences.push({ field, expected, actual });
  };
  for (let i = 0; i < ZMMS; i++) check(`zmm${i}`, CASE.zmm + i * ZMM_BYTES, ZMM_BYTES);
  for (let i = 0; i < MASKS; i++) check(`k${i}`, CASE.k + i * 8, 8);
  check("mxcsr", CASE.mxcsr, 4);
  check("rcx", CASE.rcx, 8);
  check("rdx", CASE.rdx, 8);
  check("memory", CASE.memory, CASE.memoryBytes);
  const flags = [a, b].map((view) => view.getUint32(CASE.flags, true) & STATUS_FLAGS) as [number, number];
  if (flags[0] !== flags[1])
    differences.push({ field: "flags", expected: flags[0].toString(16), actual: flags[1].toString(16) });
  return differences;
}

/** Lowest byte first. */
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
