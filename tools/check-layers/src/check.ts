// Compares the table with the workspace. Every rule gives one line per breach, naming the file to open.
import { normalize } from "node:path";
import { orderRooms, type Room } from "./architecture.ts";
import type { Import, Manifest, Workspace } from "./workspace.ts";

const SCOPE = "@tsvm/";

/** All breaches of the table by `packages`; `helpers` are the private packages beside them (tools, testing). */
export function findBreaches(
  rooms: Readonly<Record<string, Room>>,
  packages: readonly Workspace[],
  helpers: readonly Workspace[] = [],
): readonly string[] {
  const breaches: string[] = [];
  for (const found of packages) {
    const room = rooms[found.folder];
    if (room === undefined) breaches.push(`packages/${found.folder}: not in the architecture table`);
    else breaches.push(...checkRoom(found, room).map((breach) => `packages/${found.folder}: ${breach}`));
  }
  for (const name of Object.keys(rooms)) {
    if (!packages.some((found) => found.folder === name)) breaches.push(`table: there is no packages/${name}`);
  }
  return [...breaches, ...checkCircles(rooms, [...packages, ...helpers])];
}

function checkRoom(found: Workspace, room: Room): readonly string[] {
  return [
    ...(found.manifest.name === SCOPE + found.folder ? [] : [`is named ${found.manifest.name}`]),
    ...checkManifest(found.manifest, room),
    ...checkProject(found, room),
    ...found.imports.flatMap((one) => checkImport(one, found.manifest, room)),
  ];
}

function checkManifest(manifest: Manifest, room: Room): readonly string[] {
  return runTimeDependencies(manifest)
    .filter((name) => !mayImport(name, room))
    .map((name) => `package.json may not depend on ${name}`);
}

const runTimeDependencies = (manifest: Manifest): readonly string[] =>
  Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies });

const mayImport = (name: string, room: Room): boolean =>
  name.startsWith(SCOPE) ? room.imports.includes(name.slice(SCOPE.length)) : (room.thirdParty ?? []).includes(name);

/** The TypeScript project sees what the manifest declares, and Node's types only where Node may be used. */
function checkProject(found: Workspace, room: Room): readonly string[] {
  const declared = runTimeDependencies(found.manifest)
    .filter((name) => name.startsWith(SCOPE))
    .map((name) => name.slice(SCOPE.length));
  const breaches = declared
    .filter((name) => !found.references.includes(name))
    .map((name) => `tsconfig.src.json does not reference ${name}`);
  const undeclared = found.references.filter((name) => !declared.includes(name));
  breaches.push(...undeclared.map((name) => `tsconfig.src.json references ${name}, package.json does not`));
  if (!room.usesNode && found.types.length > 0) breaches.push(`tsconfig.src.json brings in ${found.types.join(", ")}`);
  const dom = found.libs.filter((lib) => !/^es\d+/i.test(lib));
  if (!room.usesDom && dom.length > 0) breaches.push(`tsconfig.src.json brings in lib ${dom.join(", ")}`);
  return breaches;
}

function checkImport({ file, specifier }: Import, manifest: Manifest, room: Room): readonly string[] {
  if (specifier.startsWith(".")) {
    return normalize(`${file}/../${specifier}`).startsWith("..")
      ? [`${file} reaches out of its package: ${specifier}`]
      : [];
  }
  if (specifier.startsWith(SCOPE) && specifier.split("/").length > 2) return [`${file} reaches inside ${specifier}`];
  if (!isShipped(file)) return [];
  if (specifier.startsWith("node:")) return room.usesNode ? [] : [`${file} may not use Node: ${specifier}`];
  const name = packageName(specifier);
  if (room.bundles?.includes(name) && name in (manifest.devDependencies ?? {})) return [];
  if (!mayImport(name, room)) return [`${file} may not import ${specifier}`];
  return runTimeDependencies(manifest).includes(name)
    ? []
    : [`${file} imports ${name}, package.json does not declare it`];
}

/** Tests, benches and generators may use Node and development packages; what they import is not shipped. */
const isShipped = (file: string): boolean => file.startsWith("src/") && !file.endsWith(".test.ts");

const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** The table has no circle, and neither have the manifests when development dependencies are counted. */
function checkCircles(rooms: Readonly<Record<string, Room>>, all: readonly Workspace[]): readonly string[] {
  const names = new Set(all.map((one) => one.manifest.name));
  const declared = all.map(({ manifest }) => {
    const dependencies = [...runTimeDependencies(manifest), ...Object.keys(manifest.devDependencies ?? {})];
    return [manifest.name, { imports: dependencies.filter((name) => names.has(name)) }] as const;
  });
  return [rooms, Object.fromEntries(declared)].flatMap((graph) => {
    try {
      orderRooms(graph);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}
