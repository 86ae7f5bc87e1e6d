/** A trace that is not what it should be: `message` is one line with the offset, what was found and what was expected. */
export function traceError(format: string, offset: number, expected: string, found: string): RangeError {
  const message = `${format} trace, byte ${offset}: expected ${expected}, found ${found}`;
  return Object.assign(new RangeError(message), { code: "MMU_TRACE" });
}

/** Up to 24 bytes of a foreign file, fit for a message. */
export function quote(bytes: Uint8Array, start: number, end: number): string {
  const most = 24;
  const text = String.fromCharCode(...bytes.subarray(start, Math.min(end, start + most)));
  return JSON.stringify(end - start > most ? `${text}...` : text);
}
