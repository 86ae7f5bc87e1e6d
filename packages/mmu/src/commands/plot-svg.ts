import { drawing, element, label } from "./svg.ts";

/** One curve. */
export interface Series {
  readonly name: string;
  /** In the order of x; both above 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One pair of axes, both logarithmic. */
export interface Panel {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** A line across at some x, with what it means. */
  readonly mark?: { readonly x: number; readonly text: string };
}

const WIDTH = 440;
const HEIGHT = 300;
const LEFT = 64;
const TOP = 118;
const GAP = 76;
const COLOURS = 6;
/** Markers differ too, for print and for eyes that see colours alike. */
const MARKERS = ["circle", "square", "triangle", "diamond", "circle", "square"] as const;

const STYLE = `
.axis{fill:none;stroke:var(--line);stroke-width:1}.gridline{fill:none;stroke:var(--grid);stroke-width:1}.curve{fill:none;stroke:var(--c);stroke-linejoin:round}
.dot{fill:var(--paper);stroke:var(--c);stroke-width:2}.tick{font-size:11.5px;fill:var(--soft)}.panel{font-size:14.5px;font-weight:600}
.mark{stroke:var(--soft);stroke-dasharray:4 4}${Array.from({ length: COLOURS }, (_, i) => `.s${i}{--c:var(--c${i})}`).join("")}
`;

/** Panels side by side, with one legend for all: series of one name have one colour. As SVG. */
export function drawPanels(title: string, subtitle: string, panels: readonly Panel[]): string {
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const width = LEFT + panels.length * (WIDTH + GAP) - GAP + 36;
  return drawing(width, TOP + HEIGHT + 74, title, STYLE, [
    label(24, 36, title, "title"),
    label(24, 58, subtitle, "soft"),
    ...legend(names, 24, 82),
    ...panels.flatMap((panel, i) => drawPanel(panel, names, LEFT + i * (WIDTH + GAP))),
  ]);
}

function legend(names: readonly string[], left: number, y: number): readonly string[] {
  let x = left;
  return names.map((name, i) => {
    const line = element("path", { class: "curve", "stroke-width": widthOf(i, names.length), d: `M${x} ${y - 4}h26` });
    const part = element("g", { class: `s${i % COLOURS}` }, [
      line,
      marker(x + 13, y - 4, i),
      label(x + 33, y, name, "soft"),
    ]);
    x += 58 + name.length * 7;
    return part;
  });
}

function drawPanel(panel: Panel, names: readonly string[], left: number): readonly string[] {
  const points = panel.series.flatMap(({ points: all }) => all);
  if (points.length === 0) return [label(left, TOP + 20, "nothing was measured", "soft")];
  const xs = scaleOf([...points.map(([x]) => x), ...(panel.mark ? [panel.mark.x] : [])], left, left + WIDTH);
  const ys = scaleOf(
    points.map(([, y]) => y),
    TOP + HEIGHT,
    TOP + 14,
  );
  return [
    label(left, TOP - 4, panel.title, "panel"),
    ...xs.ticks.flatMap((tick) => [
      element("path", { class: "gridline", d: `M${xs.at(tick)} ${TOP + 14}V${TOP + HEIGHT}` }),
      label(xs.at(tick), TOP + HEIGHT + 18, short(tick), "tick", "middle"),
    ]),
    ...ys.ticks.flatMap((tick) => [
      element("path", { class: "gridline", d: `M${left} ${ys.at(tick)}H${left + WIDTH}` }),
      label(left - 8, ys.at(tick) + 4, short(tick), "tick", "end"),
    ]),
    element("path", { class: "axis", d: `M${left} ${TOP + 14}V${TOP + HEIGHT}H${left + WIDTH}` }),
    label(left + WIDTH / 2, TOP + HEIGHT + 42, panel.x, "soft", "middle"),
    element(
      "g",
      { transform: `translate(${left - 46} ${TOP + 14 + HEIGHT / 2}) rotate(-90)` },
      label(0, 0, panel.y, "soft", "middle"),
    ),
    ...drawMark(panel, xs),
    ...panel.series.flatMap((series) => drawSeries(series, names, xs, ys)),
  ];
}

function drawMark({ mark }: Panel, xs: Scale): readonly string[] {
  if (mark === undefined) return [];
  const x = xs.at(mark.x);
  return [
    element("path", { class: "mark", d: `M${x} ${TOP + 14}V${TOP + HEIGHT}` }),
    label(x + 6, TOP + 28, mark.text, "tick"),
  ];
}

function drawSeries({ name, points }: Series, names: readonly string[], xs: Scale, ys: Scale): readonly string[] {
  const index = names.indexOf(name);
  const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${round(xs.at(x))} ${round(ys.at(y))}`).join("");
  return [
    element("g", { class: `s${index % COLOURS}` }, [
      element("path", { class: "curve", "stroke-width": widthOf(index, names.length), d: path }),
      ...points.map(([x, y]) => marker(xs.at(x), ys.at(y), index)),
    ]),
  ];
}

/** Curves that are drawn over others are thinner, so that what lies under them shows. */
function widthOf(index: number, curves: number): number {
  return 2 + 1.9 * (curves - 1 - index);
}

function marker(x: number, y: number, index: number): string {
  switch (MARKERS[index % MARKERS.length]) {
    case "square":
      return element("rect", { class: "dot", x: x - 3.8, y: y - 3.8, width: 7.6, height: 7.6 });
    case "triangle":
      return element("path", { class: "dot", d: `M${round(x)} ${round(y - 5)}l4.8 8.6h-9.6z` });
    case "diamond":
      return element("path", { class: "dot", d: `M${round(x)} ${round(y - 5.4)}l5.4 5.4l-5.4 5.4l-5.4 -5.4z` });
    default:
      return element("circle", { class: "dot", cx: x, cy: y, r: 4.2 });
  }
}

interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** A logarithmic scale over whole decades, or 1, 2, 5 of them where there are few. */
function scaleOf(values: readonly number[], from: number, to: number): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const steps = most / least > 200 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let decade = Math.floor(Math.log10(least)) - 1; decade <= Math.ceil(Math.log10(most)) + 1; decade++) {
    for (const step of steps) all.push(Number((step * 10 ** decade).toPrecision(1)));
  }
  const low = all.filter((tick) => tick <= least).at(-1) ?? least;
  const high = all.find((tick) => tick >= most && tick > low) ?? most;
  const [start, span] = [Math.log10(low), Math.log10(high) - Math.log10(low)];
  return {
    at: (value) => from + ((Math.log10(value) - start) / span) * (to - from),
    ticks: all.filter((tick) => tick >= low && tick <= high),
  };
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e4 ? `${value / 1e3}k` : `${value}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
