import type { ShapeFacts } from "./shape.ts";

/** A shape within its row, in words; only what differs from the plainest: `64 m32 flat32 near`. */
export function shapeKey({ opsize, form, asize, stack, rep, inPage }: ShapeFacts): string {
  const words: string[] = [String(opsize)];
  if (form !== "reg") words.push(form);
  if (asize !== 64) words.push(`a${asize}`);
  if (stack !== "s64") words.push(stack);
  if (rep !== "none") words.push(rep);
  if (inPage) words.push("near");
  return words.join(" ");
}
