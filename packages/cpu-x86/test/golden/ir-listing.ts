// IR before and after each of the passes that it goes through.
import { type IrBuilder, type IrNames, type Node, printNodes } from "@tsvm/tcg";
import { RECORD, RECORD_BYTES } from "../../src/decode/decoded-insn.ts";
import { numbering } from "../../src/decode/decoder.ts";
import { emitHandler, runSemantics } from "../../src/emit/emit-insn.ts";
import { RECORD_LOCAL } from "../../src/emit/fields.ts";
import { X86Builder } from "../../src/emit/x86-builder.ts";
import { printBlock } from "../../src/region/print-region.ts";
import { RecordConstants } from "../../src/region/record-constants.ts";
import type { RegionBlock } from "../../src/region/translate.ts";
import { fieldNameAt } from "../../src/state/field-names.ts";
import type { SnippetSource } from "./snippet-source.ts";

const NAMES: IrNames = {
  variable: ({ variable }) => (variable === RECORD_LOCAL.variable ? "record" : undefined),
  address: fieldNameAt,
};

/** One instruction as the interpreter's handler does it: its fields come from the record, state is in memory. */
export function handlerListing(source: SnippetSource, record: number): readonly string[] {
  return renumbered(printNodes(emitHandler(numbering.shapeOf(source.handlerOf(record))), NAMES));
}

/** The same with the fields of this one record, which are constants: what they decide is decided. */
export function constantListing(source: SnippetSource, record: number): readonly string[] {
  const shape = numbering.shapeOf(source.handlerOf(record));
  const builder = new X86Builder(shape, (b: IrBuilder) => new RecordConstants(b, source.view, record));
  runSemantics(builder);
  return renumbered(printNodes(builder.take(), NAMES));
}

/** All records of the snippet's instructions: that of an address comes before the instruction's own. */
export const insnRecords = (source: SnippetSource): readonly number[] =>
  source.parts.flatMap(({ offset, bytes }) => {
    const records: number[] = [];
    for (
      let at = offset;
      at < offset + bytes.length;
      at += source.view.getUint8((records.at(-1) as number) + RECORD.length)
    ) {
      const first = source.recordAt(at);
      const { mnemonic } = numbering.shapeOf(source.handlerOf(first)).row;
      records.push(...(mnemonic === "ADDRESS" ? [first, first + RECORD_BYTES] : [first]));
    }
    return records;
  });

/** A block as it was built; to be completed by {@link regionListing} when the region was written. */
export interface BuiltBlock {
  readonly block: RegionBlock;
  readonly lines: readonly string[];
}

/** To be called before the passes change the block. */
export const built = (block: RegionBlock): BuiltBlock => ({ block, lines: printBlock(block) });

/**
 * The blocks of a region as built, and what the passes behind that made of them. Lines begin with
 * `-` what is dropped, `+` what stands there instead, `~` what is computed on the rare ways out that need it, and only there.
 */
export function regionListing(blocks: readonly BuiltBlock[]): readonly string[] {
  const lines = blocks.flatMap(({ block, lines: before }, i) => {
    const fates = new Map<string, string>();
    collectFates(block.nodes, fates);
    const after = printBlock(block);
    const body = before.flatMap((line, at) => {
      if (after[at] !== line) return [`- ${line}`, `+ ${after[at]}`];
      const [, value] = /^\s*(v\d+): /.exec(line) ?? [];
      return `${fates.get(value ?? "") ?? " "} ${line}`;
    });
    return [`block ${i}, at ${block.offset.toString(16).padStart(4, "0")}`, ...body];
  });
  return renumbered(lines);
}

/** Notes of the lowering, by the names of values. */
function collectFates(nodes: readonly Node[], fates: Map<string, string>): void {
  for (const node of nodes) {
    const isCold = node.coldUses > 0 && node.local < 0;
    if (node.kind !== "call" && node.uses === 0 && (isCold || node.coldUses === 0))
      fates.set(`v${node.id}`, isCold ? "~" : "-");
    collectFates(node.body, fates);
    collectFates(node.otherwise, fates);
  }
}

/** Values and variables numbered as they come, so that a change in one place does not show in all others. */
function renumbered(lines: readonly string[]): readonly string[] {
  const numbers = new Map<string, string>();
  const rename = (name: string): string => {
    const kind = name[0] as string;
    const known = numbers.get(name) ?? `${kind}${[...numbers.keys()].filter((other) => other[0] === kind).length + 1}`;
    numbers.set(name, known);
    return known;
  };
  // The type v128 is no value: it stands in front of a point or an equals sign.
  return lines.map((line) => line.replace(/(?<![\w.])(?:v(?!128(?:\.| =))|\$)\d+\b/g, rename));
}
