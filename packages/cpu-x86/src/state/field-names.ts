import { AT, ELEMENT_SIZE, type FieldName, GPR, STATE_BASE, STATE_END } from "./layout.ts";

const FIELDS_BY_ADDRESS = (Object.entries(AT) as [FieldName, number][]).sort(([, a], [, b]) => b - a);
const REGISTERS: readonly string[] = Object.entries(GPR)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name);

/**
 * What the byte of CPU state at an address of the WebAssembly memory belongs to: `rip`, `rax`, `zmm[3]`, `zmm[3]+16`;
 * undefined outside of CPU state.
 */
export function fieldNameAt(address: number): string | undefined {
  if (address < STATE_BASE || address >= STATE_END) return undefined;
  const [field, start] = FIELDS_BY_ADDRESS.find(([, at]) => at <= address) as [FieldName, number];
  const size = ELEMENT_SIZE[field];
  const index = Math.floor((address - start) / size);
  const offset = (address - start) % size;
  return elementName(field, index) + (offset === 0 ? "" : `+${offset}`);
}

function elementName(field: FieldName, index: number): string {
  if (field === "gpr") return REGISTERS[index] as string;
  return hasMore(field) ? `${field}[${index}]` : field;
}

/** Whether a field has more than one element: the next one begins further on. */
function hasMore(field: FieldName): boolean {
  const next = FIELDS_BY_ADDRESS.findLast(([, at]) => at > AT[field])?.[1] ?? STATE_END;
  return next - AT[field] >= 2 * ELEMENT_SIZE[field];
}
