// A region's WebAssembly in the text format: by wabt, then with names of guest registers and on fewer lines.
import wabt from "wabt";
import { sideDetailText } from "../../src/region/side-exit.ts";
import { fieldNameAt } from "../../src/state/field-names.ts";

const tools = await wabt();
const WIDTH = 120;

/** An atom, or a list in parentheses. */
type Expression = string | List;
type List = readonly Expression[];

/**
 * The function of a region's module. Branch hints are not shown, nor alignments, which engines ignore. @param whole with what
 * all regions have: locals, registers loaded into them and stored, and what side exits do.
 */
export function regionWat(bytes: Uint8Array, whole: boolean): readonly string[] {
  const module = tools.readWasm(bytes, { readDebugNames: false });
  module.generateNames();
  module.applyNames();
  const text = module.toText({ foldExprs: true, inlineExport: false });
  module.destroy();
  const [region] = parse(nameFields(text).replaceAll(" align=1", "")).filter(([head]) => head === "func");
  const named = nameLocals(region as List);
  return layOut(whole ? named : codeOf(named), 0);
}

/** How many blocks lie around the code: their ends are the function's, that of exits to an instruction, and that of side exits. */
const AROUND = 3;
const SIDE_LABEL = `$B${AROUND - 1}`;

/** What is between the labels of exits and the head of the function. */
function codeOf(region: List): List {
  let code = region;
  for (let i = 0; i < AROUND; i++) code = code.find((part) => part[0] === "block") as List;
  return code;
}

/** Expressions of a module, those of the module's own list. */
function parse(text: string): List[] {
  const stack: Expression[][] = [[]];
  for (const [token] of text.matchAll(/[()]|"[^"]*"|(?:[^\s()"]|\(;[^)]*\))+/g)) {
    if (token === "(") stack.push([]);
    else if (token === ")") {
      const list = stack.pop() as Expression[];
      (stack.at(-1) as Expression[]).push(list);
    } else (stack.at(-1) as Expression[]).push(token);
  }
  const [[module]] = stack as [[Expression[]]];
  return module.filter((part) => typeof part !== "string");
}

/** Fixed places of CPU state say which they are, and side exits why they are taken. */
const nameFields = (text: string): string =>
  text
    .replace(/offset=(\d+)/g, (all, offset) => {
      const field = fieldNameAt(Number(offset));
      return field === undefined ? all : `${all}(;${field};)`;
    })
    .replace(
      /(\(local\.set \$l2\s*\(i32\.const) (\d+)(\)\)\s*\(local\.set \$l1\)\s*\(br (\$B\d+)\))/g,
      (_, set, detail, leave, label) =>
        `${set} (;${label === SIDE_LABEL ? sideDetailText(detail) : `${detail} done`};)${leave}`,
    );

/** A region loads what it keeps in locals first: from the fields the locals have their names. */
function nameLocals(region: List): List {
  const names = new Map([
    ["$p0", "$entry"],
    ["$l1", "$result"],
    ["$l2", "$detail"],
  ]);
  for (const part of region) {
    const [set, local, load] = part as readonly [Expression, string, Expression];
    if (set !== "local.set") continue;
    const field = /\(;(.*);\)/.exec(String(load[1]))?.[1];
    if (field === undefined) break;
    names.set(local, `$${field.replace(/^zmm\[(\d+)\]/, "xmm$1")}`);
  }
  const rename = (part: Expression): Expression =>
    typeof part === "string" ? (names.get(part) ?? part) : part.map(rename);
  return region.map(rename);
}

const flat = (part: Expression): string => (typeof part === "string" ? part : `(${part.map(flat).join(" ")})`);

const isControl = (part: Expression): boolean =>
  typeof part !== "string" && /^(func|block|loop|if)$/.test(part[0] as string);

/** On one line what fits and holds no other control. */
function layOut(part: Expression, indent: number): readonly string[] {
  const margin = " ".repeat(indent);
  const line = flat(part);
  if (typeof part === "string" || (!isControl(part) && !part.some(isControl) && indent + line.length <= WIDTH))
    return [margin + line];
  const heads = part.findIndex((inner) => typeof inner !== "string");
  const rest = fill(part.slice(heads), indent + 2);
  const lines = [`${margin}(${part.slice(0, heads).join(" ")}`, ...rest];
  return [...lines.slice(0, -1), `${lines.at(-1)})`];
}

/** Declarations of locals share lines. */
function fill(parts: readonly Expression[], indent: number): readonly string[] {
  const lines: string[] = [];
  let declarations = "";
  for (const part of parts) {
    const isLocal = part[0] === "local";
    const text = isLocal ? flat(part) : "";
    if (declarations !== "" && (!isLocal || indent + declarations.length + text.length >= WIDTH)) {
      lines.push(" ".repeat(indent) + declarations);
      declarations = "";
    }
    if (isLocal) declarations += declarations === "" ? text : ` ${text}`;
    else lines.push(...layOut(part, indent));
  }
  return lines;
}
