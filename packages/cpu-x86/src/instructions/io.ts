// IN OUT INS OUTS. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { SEGMENT } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** Bytes of a port access: there are no 64-bit ones. */
const accumulator = (b: X86Builder): Val => b.const(b.shape.opsize === 16 ? 2 : 4);
const byte = (b: X86Builder): Val => b.const(1);
const PORT_IN_DX = (b: X86Builder): Val => b.reg(16, "rdx");
const PORT_IN_CODE = (b: X86Builder): Val => b.zext(b.fields.immediate(), 8);

type Part = (b: X86Builder) => Val;

const transfer =
  (helper: "portIn" | "portOut", port: Part, size: Part): Semantics =>
  (b) =>
    b.helper(helper, port(b), size(b));

/** One helper call moves many elements; it comes back to the instruction while there are more. */
const moveString =
  (helper: "portInString" | "portOutString", size: Part): Semantics =>
  (b) => {
    const repeated = b.const(b.shape.rep === "none" ? 0 : 1);
    const segment = helper === "portInString" ? b.const32(SEGMENT.es) : b.fields.segment();
    b.helper(helper, size(b), b.const(b.shape.asize), repeated, b.fields.length(), segment);
  };

/** Timers are devices. */
const CLOCK = { readsClock: true } as const;
const STRING = { ...CLOCK, rep: "rep", asize: true } as const;

export const rows: readonly Row[] = [
  row("E4 ib", "IN", ["AL", "Ib"], transfer("portIn", PORT_IN_CODE, byte), CLOCK),
  row("E5 ib", "IN", ["rAX", "Ib"], transfer("portIn", PORT_IN_CODE, accumulator), { ...CLOCK, opsize: true }),
  row("EC", "IN", ["AL", "DX"], transfer("portIn", PORT_IN_DX, byte), CLOCK),
  row("ED", "IN", ["rAX", "DX"], transfer("portIn", PORT_IN_DX, accumulator), { ...CLOCK, opsize: true }),
  row("E6 ib", "OUT", ["Ib", "AL"], transfer("portOut", PORT_IN_CODE, byte), CLOCK),
  row("E7 ib", "OUT", ["Ib", "rAX"], transfer("portOut", PORT_IN_CODE, accumulator), { ...CLOCK, opsize: true }),
  row("EE", "OUT", ["DX", "AL"], transfer("portOut", PORT_IN_DX, byte), CLOCK),
  row("EF", "OUT", ["DX", "rAX"], transfer("portOut", PORT_IN_DX, accumulator), { ...CLOCK, opsize: true }),
  row("6C", "INSB", [], moveString("portInString", byte), STRING),
  row("6D", "INS", [], moveString("portInString", accumulator), { ...STRING, opsize: true }),
  row("6E", "OUTSB", [], moveString("portOutString", byte), STRING),
  row("6F", "OUTS", [], moveString("portOutString", accumulator), { ...STRING, opsize: true }),
];
