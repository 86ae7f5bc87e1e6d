// Prints the table and the graph that stand in ARCHITECTURE.md.
import type { Room } from "./architecture.ts";

type Rooms = Readonly<Record<string, Room>>;

const BEGIN = "<!-- printed by tools/check-layers: change the table there, then `pnpm run layers:write` -->";
const END = "<!-- end of the printed part -->";

/** The rooms as a Markdown table. */
export function printTable(rooms: Rooms): string {
  const rows = Object.entries(rooms).map(([name, room]) => {
    const imports = room.imports.length === 0 ? "nothing" : room.imports.join(", ");
    return `| [\`${name}\`](packages/${name}) | ${room.owns} | ${room.doesNotOwn} | ${imports} |`;
  });
  return ["| package | owns | does not own | imports |", "|---|---|---|---|", ...rows].join("\n");
}

/** The graph as Mermaid; an import that another import already brings along is not drawn. */
export function printGraph(rooms: Rooms): string {
  const lines = Object.entries(rooms).flatMap(([name, room]) =>
    room.imports.filter((below) => !isIndirect(rooms, room, below)).map((below) => `  ${name} --> ${below}`),
  );
  const alone = Object.keys(rooms).filter((name) => !lines.some((line) => line.split(/ --> | {2}/).includes(name)));
  return ["```mermaid", "graph TD", ...alone.map((name) => `  ${name}`), ...lines, "```"].join("\n");
}

const isIndirect = (rooms: Rooms, room: Room, below: string): boolean =>
  room.imports.some((other) => other !== below && reaches(rooms, other, below));

const reaches = (rooms: Rooms, from: string, to: string): boolean =>
  rooms[from]?.imports.some((next) => next === to || reaches(rooms, next, to)) ?? false;

/** `document` with its printed part made anew. @throws Error if the markers are missing. */
export function updateDocument(document: string, rooms: Rooms): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("ARCHITECTURE.md has lost the markers of its printed part");
  const printed = [BEGIN, "", printTable(rooms), "", printGraph(rooms), ""].join("\n");
  return `${document.slice(0, begin)}${printed}\n${document.slice(end)}`;
}
