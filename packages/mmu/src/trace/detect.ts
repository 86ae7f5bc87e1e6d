import type { TraceFormat } from "./decoder.ts";

const PATTERNS: readonly (readonly [format: TraceFormat, pattern: RegExp])[] = [
  ["tsvm", /^tsvm-trace 1\r\n\0\0/],
  ["drmemtrace", /^Output format:|^\s*\d+\s+\d+:\s/],
  ["lackey", /^(==\d+==|--\d+--|I {2}[0-9a-f]+,\d|\s[LSM] [0-9a-f]+,\d)/],
  ["pin", /^(#|(0x)?[0-9a-f]+: [RW] )/i],
];

/** What a trace that begins with `head` most likely is; without any sign, ChampSim's records, which have none. */
export function detectTraceFormat(head: Uint8Array): TraceFormat {
  const text = String.fromCharCode(...head.subarray(0, 256));
  return PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? "champsim";
}
