// Small programs beside the IR and the WebAssembly they become, a file each in golden/: what each pass does, to be read.
import { describe, expect, it } from "vitest";
import { type Translation, translateRegion } from "../src/region/translate.ts";
import { disassemble } from "./golden/disassemble.ts";
import {
  type BuiltBlock,
  built,
  constantListing,
  handlerListing,
  insnRecords,
  regionListing,
} from "./golden/ir-listing.ts";
import { regionWat } from "./golden/region-wat.ts";
import { SnippetSource } from "./golden/snippet-source.ts";
import { GOLDENS, type Golden } from "./golden/snippets.ts";

/** Lines of a file at most: more is not read. */
const MOST_LINES = 150;

type Section = readonly [title: string, lines: readonly string[]];

interface Listing {
  readonly text: string;
  readonly wat: string;
}

function listingOf(golden: Golden): Listing {
  let blocks: readonly BuiltBlock[] = [];
  const source = new SnippetSource(golden, (all) => {
    blocks = all.map(built);
  });
  const translation = translateRegion(source, 0);
  if (translation === undefined) throw new Error("it is not translated");
  const wat = regionWat(translation.bytes, golden.whole === true);
  const sections: Section[] = [["guest code", source.parts.flatMap(disassemble)]];
  if (golden.alone) sections.push(...aloneSections(source));
  if (golden.without !== "ir") sections.push([IR_TITLE, regionListing(blocks)]);
  if (golden.without !== "wat") sections.push([watTitle(translation), wat]);
  const text = sections.map(([title, lines]) => `\n== ${title} ==\n${lines.join("\n")}\n`).join("");
  return { text: `${golden.shows}\n${text}`, wat: wat.join("\n") };
}

const IR_TITLE = "the region's IR: - dropped, + instead of it, ~ computed on rare ways out only";

const watTitle = ({ bytes, entries }: Translation): string =>
  `WebAssembly: ${bytes.length} bytes, to be entered at ${entries.map((at) => at.toString(16).padStart(4, "0")).join(", ")}`;

function aloneSections(source: SnippetSource): Section[] {
  const records = insnRecords(source);
  return [
    ["each instruction, fields from its record: the interpreter", records.flatMap((at) => handlerListing(source, at))],
    ["each instruction, fields known", records.flatMap((at) => constantListing(source, at))],
  ];
}

describe.each(GOLDENS)("$name", (golden) => {
  const { text, wat } = listingOf(golden);

  it("is translated as its file says", async () => {
    await expect(text).toMatchFileSnapshot(`golden/${golden.name}.txt`);
  });

  it("can be read", () => {
    expect(text.split("\n").length).toBeLessThanOrEqual(MOST_LINES);
  });

  it.each(golden.claims)("has %s in its WebAssembly %i times", (pattern, times) => {
    expect(wat.match(pattern)?.length ?? 0).toBe(times);
  });
});
