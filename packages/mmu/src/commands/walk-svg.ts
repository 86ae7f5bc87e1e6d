import type { Demonstration } from "../lab/demonstration.ts";
import type { WalkReference } from "../lab/translator.ts";
import { drawing, element, escapeXml, label } from "./svg.ts";
import { type Stage, stagesOf } from "./walk-stages.ts";
import { entryName, headline, hostName } from "./walk-text.ts";

const LEFT = 196;
const TOP = 138;
const COLUMN = 104;
const ROW = 100;
const RADIUS = 21;
const PAGE_HALF = 34;

const STYLE = `
.box{fill:color-mix(in srgb,var(--c) 13%,var(--paper));stroke:var(--c);stroke-width:2}
.native{--c:var(--c2)}.guest{--c:var(--c1)}.host{--c:var(--c0)}.shadow{--c:var(--c3)}.page{--c:var(--c2)}
.number{font-size:16px;font-weight:600}.absent{fill:none;stroke:var(--line);stroke-width:1.5;stroke-dasharray:3 4}
.path{fill:none;stroke:var(--line);stroke-width:1.6;marker-end:url(#tip)}#tip path{fill:var(--line)}
.head{font-size:12.5px;fill:var(--soft)}.row{font-weight:600}
`;
const TIP = element(
  "marker",
  { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
  element("path", { d: "M0 0.6 7.4 4 0 7.4z" }),
);

/** Where things are in the grid. */
interface Grid {
  /** Levels of the tables across; the column after them is the guest's entries and the page. */
  readonly levels: number;
  readonly demonstration: Demonstration;
  readonly rows: readonly Stage[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The picture that papers on nested paging begin with: a row for each entry of the guest's and for the page, a column for
 * each level of the host's tables, numbered in the order of the references. As SVG.
 */
export function drawWalk(demonstration: Demonstration): string {
  const { scheme, guestLevels, hostLevels } = demonstration.options;
  const rows = stagesOf(demonstration.walk);
  const shadowed = rows.some(({ references }) => references[0]?.dimension === "shadow");
  const hosted = rows.some(({ references }) => references[0]?.dimension === "host");
  const levels = Math.max(hosted ? hostLevels : 0, scheme === "native" || shadowed ? guestLevels : 0);
  const grid: Grid = { levels, demonstration, rows };
  const width = LEFT + (levels + 1) * COLUMN + 48;
  const height = TOP + rows.length * ROW + 46;
  const count = demonstration.walk.references.length;
  const title = `One translation, ${count} references`;
  return drawing(width, height, title, STYLE, [
    element("defs", {}, TIP),
    label(28, 40, title, "title"),
    label(28, 63, `${headline(demonstration)}; nothing cached`, "soft"),
    label(28, 83, `gva 0x${demonstration.gva.toString(16)}`, "mono"),
    ...heads(grid, hosted),
    ...rows.flatMap((stage, row) => drawRow(grid, stage, row)),
    ...legend(grid, height - 22, hosted),
  ]);
}

/** Which level a column is for. */
function heads({ levels, demonstration, rows }: Grid, hosted: boolean): readonly string[] {
  const isMixed = hosted && rows[0]?.references[0]?.dimension === "shadow";
  const whose = isMixed ? "" : `${hostName(demonstration)} `;
  const columns = Array.from({ length: levels }, (_, i) => {
    const level = levels - i;
    return label(
      LEFT + (i + 0.5) * COLUMN,
      TOP - 16,
      hosted ? `${whose}level ${level}` : entryName(level),
      "head",
      "middle",
    );
  });
  const last = hosted && rows.some(({ references }) => references.at(-1)?.dimension === "guest") ? "guest's entry" : "";
  return [...columns, label(LEFT + (levels + 0.5) * COLUMN, TOP - 16, last, "head", "middle")];
}

function drawRow(grid: Grid, stage: Stage, row: number): readonly string[] {
  const y = TOP + (row + 0.5) * ROW - 8;
  const places = stage.references.map((reference) => ({ x: columnOf(grid, reference), y }));
  const isLast = row === grid.rows.length - 1;
  const page = { x: LEFT + (grid.levels + 0.5) * COLUMN, y };
  const before = grid.rows.slice(0, row).reduce((sum, { references }) => sum + references.length, 0);
  const stops = isLast ? [...places, page] : places;
  return [
    ...rowHead(grid, stage, row, y),
    ...(row === 0
      ? [arrow({ x: LEFT - 22, y }, places[0] as Point)]
      : [turn(endOf(grid, row - 1), places[0] as Point)]),
    ...stops.slice(1).map((to, i) => arrow(stops[i] as Point, to, to === page ? PAGE_HALF : RADIUS)),
    ...absent(grid, stage, y),
    ...stage.references.map((reference, i) => circle(reference, places[i] as Point, before + i + 1)),
    ...(isLast ? [pageBox(grid, page)] : []),
  ];
}

function columnOf({ levels }: Grid, { dimension, level, addressKind, hpa, address }: WalkReference): number {
  const isGuest = dimension === "guest" && (addressKind === "gpa" || hpa === address);
  return LEFT + (isGuest ? levels + 0.5 : levels - level + 0.5) * COLUMN;
}

/** Where a row's arrow to the next begins. */
function endOf(grid: Grid, row: number): Point {
  const reference = grid.rows[row]?.references.at(-1) as WalkReference;
  return { x: columnOf(grid, reference), y: TOP + (row + 0.5) * ROW - 8 };
}

function rowHead({ demonstration, rows }: Grid, stage: Stage, row: number, y: number): readonly string[] {
  const own = stage.references.at(-1) as WalkReference;
  const { outcome } = demonstration.walk;
  if (own.dimension === "guest") {
    const text = `${row === 0 ? "CR3 \u2192 " : ""}guest's ${entryName(own.level)}`;
    const where = own.addressKind === "gpa" ? `gpa 0x${own.address.toString(16)}` : "known by its host address";
    return [label(28, y - 3, text, "row"), label(28, y + 14, where, "mono")];
  }
  if (own.dimension === "host") {
    const gpa = outcome.receiver === "none" && outcome.gpa !== undefined ? `gpa 0x${outcome.gpa.toString(16)}` : "";
    return [
      label(28, y - 3, rows.length === 1 ? "the byte" : "the page itself", "row"),
      label(28, y + 14, gpa, "mono"),
    ];
  }
  return [label(28, y - 3, own.dimension === "shadow" ? "shadow root" : "CR3", "row")];
}

/** Levels that a large page of the host's makes needless. */
function absent(grid: Grid, { references }: Stage, y: number): readonly string[] {
  const across = references.filter(({ dimension }) => dimension !== "guest");
  const lowest = across.at(-1)?.level ?? 1;
  const isOpen =
    across.length === 0 || across.at(-1)?.dimension === "shadow" ? references.length < across.length : true;
  if (!isOpen) return [];
  return Array.from({ length: lowest - 1 }, (_, i) =>
    element("circle", { cx: LEFT + (grid.levels - i - 0.5) * COLUMN, cy: y, r: RADIUS, class: "absent" }),
  );
}

function circle({ dimension, level, hpa }: WalkReference, { x, y }: Point, number: number): string {
  return element("g", { class: dimension }, [
    element("title", {}, escapeXml(`${number}: ${dimension} level ${level}, hpa 0x${hpa.toString(16)}`)),
    element("circle", { cx: x, cy: y, r: RADIUS, class: "box" }),
    label(x, y + 5.5, `${number}`, "number", "middle"),
    label(x, y + RADIUS + 15, `0x${hpa.toString(16)}`, "mono", "middle"),
  ]);
}

function pageBox({ demonstration }: Grid, { x, y }: Point): string {
  const { outcome } = demonstration.walk;
  const hpa = outcome.receiver === "none" ? `0x${outcome.hpa.toString(16)}` : "";
  return element("g", { class: "page" }, [
    element("rect", { x: x - PAGE_HALF, y: y - RADIUS, width: 2 * PAGE_HALF, height: RADIUS * 2, rx: 8, class: "box" }),
    label(x, y + 5, "page", "number", "middle"),
    label(x, y + RADIUS + 15, hpa, "mono", "middle"),
  ]);
}

function arrow(from: Point, to: Point, half = RADIUS): string {
  return element("path", { class: "path", d: `M${from.x + RADIUS + 2} ${from.y}H${to.x - half - 3}` });
}

/** From the end of a row to the beginning of the next. */
function turn(from: Point, to: Point): string {
  const bend = 12;
  const [right, middle] = [from.x + COLUMN / 2 + 4, from.y + ROW / 2 + 4];
  const out = `M${from.x + RADIUS + 2} ${from.y}H${right - bend}q${bend} 0 ${bend} ${bend}V${middle - bend}`;
  // Shadow tables may end left of where the guest's own begin.
  const way = to.x > right ? bend : -bend;
  const back = `q0 ${bend} ${way} ${bend}H${to.x - way}q${way} 0 ${way} ${bend}V${to.y - RADIUS - 3}`;
  return element("path", { class: "path", d: `${out}${back}` });
}

function legend({ demonstration, rows }: Grid, y: number, hosted: boolean): readonly string[] {
  const seen = new Set(rows.flatMap(({ references }) => references.map(({ dimension }) => dimension)));
  const names: Readonly<Record<WalkReference["dimension"], string>> = {
    guest: "an entry of the guest's tables",
    host: `an entry of the ${hostName(demonstration)}`,
    native: "an entry of the system's tables",
    shadow: "an entry of the shadow tables",
  };
  let x = 34;
  const parts = [...seen].flatMap((dimension) => {
    const dot = element("circle", { cx: x, cy: y - 4, r: 6, class: `box ${dimension}` });
    const text = label(x + 14, y, names[dimension], "soft");
    x += 44 + names[dimension].length * 6.4;
    return [element("g", { class: dimension }, dot), text];
  });
  const isShort = hosted && demonstration.options.host !== "4K";
  if (!isShort) return parts;
  const dot = element("circle", { cx: x, cy: y - 4, r: 6, class: "absent" });
  return [...parts, dot, label(x + 14, y, "spared by large pages", "soft")];
}
