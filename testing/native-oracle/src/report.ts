/** Replay results as text: a table of what fails and how, and single failures in full. */
import { describeException } from "./compare.ts";
import type { CpuState } from "./cpu-state.ts";
import type { Failure, GroupResult } from "./replay.ts";
import { initialStateOf, OVERRIDABLE, RFLAGS_OVERRIDE, type Vector } from "./vector.ts";

/** "64 0f af c1 @8123 seed 5". */
export function vectorTitle({ environment, code, codeAddress, seed }: Vector): string {
  return `${environment.name}-bit  ${bytesText(code)}  @${codeAddress.toString(16)} seed ${seed}`;
}

function bytesText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** One line a form that fails: how many of how many, which environments, and the most frequent first differences. */
export function failureTable(results: readonly GroupResult[]): string {
  return results
    .filter(({ failures }) => failures.length > 0)
    .map(({ label, run, failures }) => {
      const modes = [...new Set(failures.map(({ vector }) => vector.environment.name))].join(" ");
      return `${label.padEnd(36)} ${`${failures.length}/${run}`.padStart(9)}  ${modes.padEnd(14)} ${firstFields(failures)}`;
    })
    .join("\n");
}

/** "rflags 12, exception 3: none -> #UD error 0". */
function firstFields(failures: readonly Failure[]): string {
  const counts = new Map<string, number>();
  for (const { differences } of failures) {
    const first = differences[0];
    if (!first) continue;
    const key =
      first.field === "exception" ? `exception ${shorten(first.expected)} -> ${shorten(first.actual)}` : first.field;
    const named = first.field === "engine" ? `engine: ${first.actual}` : key;
    counts.set(named, (counts.get(named) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return sorted.map(([field, count]) => `${field} x${count}`).join(", ");
}

/** Without the address: failures of one kind count together. */
function shorten(exception: string): string {
  return exception.replace(/ at .*/, "");
}

/** Everything about one failure: instruction, what it started from, what differs. */
export function describeFailure({ vector, differences, expected, actual }: Failure): string {
  const initial = initialStateOf(vector);
  const lines = [
    vectorTitle(vector),
    `  start     ${registersText(initial, vector)}`,
    ...vector.patches.map(({ address, bytes }) => `  memory    ${address.toString(16)}: ${bytesText(bytes)}`),
    `  cpu       ${describeException(expected)}, ${changesText(initial, expected.state)}`,
    ...(actual ? [`  engine    ${describeException(actual)}, ${changesText(initial, actual.state)}`] : []),
    ...differences.map(({ field, expected: e, actual: a }) => `  ${field.padEnd(9)} expected ${e}  got ${a}`),
  ];
  return lines.join("\n");
}

function registersText({ gpr, rflags }: CpuState, { environment }: Vector): string {
  const count = environment.codeBits === 64 ? 16 : 8;
  const registers = Array.from(gpr.subarray(0, count), (value, i) => `${OVERRIDABLE[i]}=${value.toString(16)}`);
  return [...registers, `${OVERRIDABLE[RFLAGS_OVERRIDE]}=${rflags.toString(16)}`].join(" ");
}

/** The general registers that changed. */
function changesText(initial: CpuState, state: CpuState): string {
  const changed = Array.from(state.gpr, (value, i) =>
    value === initial.gpr[i] ? "" : `${OVERRIDABLE[i]}=${value.toString(16)} `,
  ).join("");
  return `${changed}rip=${state.rip.toString(16)} rflags=${state.rflags.toString(16)}`;
}
