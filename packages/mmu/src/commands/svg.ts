/** Text for an element or an attribute value. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] as string);
}

/** An element; `content` is markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content: string | readonly string[] = "",
): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? round(value) : escapeXml(value)}"`)
    .join("");
  const inside = typeof content === "string" ? content : content.join("");
  return inside === "" ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`;
}

/** A line of text at a point; `x` is where its anchor is. */
export function label(x: number, y: number, text: string, className: string, anchor = "start"): string {
  return element("text", { x, y, class: className, "text-anchor": anchor }, escapeXml(text));
}

/** Colours that drawings share: ink, paper, and a row that stays apart for colour-blind readers, by day and by night. */
const STYLE = `
svg{--ink:#1c1f26;--soft:#6b7280;--line:#9aa3af;--grid:#e5e7eb;--paper:#ffffff;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a1447a;--c4:#b8860b;--c5:#56606b;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
@media(prefers-color-scheme:dark){svg{--ink:#e8eaed;--soft:#9aa3af;--line:#6b7280;--grid:#31363f;--paper:#15181d;--c0:#56b4e9;--c1:#f0894a;--c2:#35c79b;--c3:#dd8fbd;--c4:#e6c04d;--c5:#aab2bd}}
text{fill:var(--ink);font-size:13px}
.title{font-size:19px;font-weight:600}.soft{fill:var(--soft);font-size:12.5px}
.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:10.5px;fill:var(--soft)}
`;

/** A whole drawing on paper of its own, that stands alone in a file. @param style rules beside the shared ones. */
export function drawing(
  width: number,
  height: number,
  title: string,
  style: string,
  content: readonly string[],
): string {
  const box = `0 0 ${round(width)} ${round(height)}`;
  const parts = [
    element("title", {}, escapeXml(title)),
    element("style", {}, `${STYLE}${style}`),
    element("rect", { width: "100%", height: "100%", fill: "var(--paper)" }),
    ...content,
  ];
  const attributes = { xmlns: "http://www.w3.org/2000/svg", viewBox: box, width, height, role: "img" };
  return `${element("svg", attributes, parts.join("\n"))}\n`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
