// IR in words, for people: one statement a line, branches indented.
import type { Node, Variable } from "./types.ts";

/** What numbers are called; whatever has no name is printed as its number. */
export interface IrNames {
  variable?(variable: Variable): string | undefined;
  /** A fixed place in host memory. */
  address?(address: number): string | undefined;
  /** What an exit of this name does with what it is given, if that says more than the numbers. */
  exit?(name: string, given: readonly Node[]): string | undefined;
}

/** The statements of a block, without line feeds. Values are `v1`, variables `$1`; a value says what it is computed from. */
export function printNodes(nodes: readonly Node[], names: IrNames = {}): string[] {
  return nodes.flatMap((node) => printNode(node, names));
}

function printNode(node: Node, names: IrNames): string[] {
  const inner = (body: readonly Node[]): string[] => printNodes(body, names).map((line) => `  ${line}`);
  if (node.kind === "loop") return [`loop L${node.immediate} {`, ...inner(node.body), "}"];
  if (node.kind !== "if") return [statement(node, names)];
  const otherwise = node.otherwise.length === 0 ? [] : ["} else {", ...inner(node.otherwise)];
  return [
    `if ${valueName(node.args[0] as Node)} {${node.rare ? " # rarely" : ""}`,
    ...inner(node.body),
    ...otherwise,
    "}",
  ];
}

function statement(node: Node, names: IrNames): string {
  const args = node.args.map(valueName);
  const [first = "", second = "", third = ""] = args;
  switch (node.kind) {
    case "store":
      return `${node.op} ${place(node, names)}, ${second}`;
    case "copy":
      return `copy [${first}] from [${second}], ${third} bytes`;
    case "fill":
      return `fill [${first}] with ${second}, ${third} bytes`;
    case "set":
      return `${variableName(node.variable as Variable, names)} = ${first}`;
    case "continue":
    case "break":
      return `${node.kind} L${node.immediate}`;
    case "exit":
      return exitText(node, names);
    case "call":
      return `${node.immediate === 1 ? definition(node) : ""}call ${node.op}(${args.join(", ")})`;
    default:
      return definition(node) + expression(node, args, names);
  }
}

function expression(node: Node, args: readonly string[], names: IrNames): string {
  switch (node.kind) {
    case "load":
      return `${node.op} ${place(node, names)}`;
    case "get":
      return variableName(node.variable as Variable, names);
    case "lane":
      return `${node.op}[${node.immediate}] ${args.join(", ")}`;
    case "shuffle":
      return `shuffle ${args.join(", ")} by ${node.bytes?.join(" ")}`;
    case "v128":
      return `bytes ${node.bytes?.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
    case "float":
      return `${node.type}.const ${node.immediate}`;
    case "select":
      return `${args[2]} ? ${args[0]} : ${args[1]}`;
    default:
      return `${node.op} ${args.join(", ")}`;
  }
}

/** An exit: the state that is written on the way out, and where to. */
function exitText(node: Node, names: IrNames): string {
  const sets = node.sets.map((variable, i) => `${variableName(variable, names)} = ${valueName(node.args[i] as Node)}`);
  const given = node.args.slice(node.sets.length);
  const target = node.target < 0 ? `exit ${node.op}` : `goto block ${node.target}`;
  const plain = given.length === 0 ? target : `${target}(${given.map(valueName).join(", ")})`;
  return [names.exit?.(node.op, given) ?? plain, ...sets].join("; ");
}

const definition = (node: Node): string => `v${node.id}: ${node.type} = `;

/** Small constants in decimal, as offsets and counts are; large ones are masks and addresses. */
function valueName({ constant, id }: Node): string {
  if (constant === undefined) return `v${id}`;
  if (constant < 1024 && constant > -1024) return String(constant);
  return constant < 0 ? `-0x${(-constant).toString(16)}` : `0x${constant.toString(16)}`;
}

const variableName = (variable: Variable, names: IrNames): string =>
  names.variable?.(variable) ?? `$${variable.variable}`;

/** What a load or store touches: a place that is fixed, or one by an address. */
function place({ args, immediate }: Node, names: IrNames): string {
  const address = args[0] as Node;
  if (address.constant === undefined) return `[${valueName(address)}${immediate === 0 ? "" : `+${immediate}`}]`;
  const fixed = Number(address.constant) + immediate;
  return names.address?.(fixed) ?? `[0x${fixed.toString(16)}]`;
}
