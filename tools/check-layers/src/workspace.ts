// Reads what the workspace really is: manifests, project references, and the imports in the sources.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

type Dependencies = Readonly<Record<string, string>>;

export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Dependencies;
  readonly peerDependencies?: Dependencies;
  readonly optionalDependencies?: Dependencies;
  readonly devDependencies?: Dependencies;
}

/** One import found in a source file. */
export interface Import {
  /** Path inside the package, as "src/x.ts". */
  readonly file: string;
  readonly specifier: string;
}

/** One folder with a package.json. */
export interface Workspace {
  /** Folder name. */
  readonly folder: string;
  readonly manifest: Manifest;
  readonly imports: readonly Import[];
  /** Package folders that tsconfig.src.json references. */
  readonly references: readonly string[];
  /** Ambient types that tsconfig.src.json asks for. */
  readonly types: readonly string[];
  /** Libraries of TypeScript that tsconfig.src.json asks for beyond the base's. */
  readonly libs: readonly string[];
}

/** The packages in the folders of `parent`, sorted by name. */
export function readWorkspaces(parent: string): readonly Workspace[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((folder) => existsSync(join(parent, folder, "package.json")))
    .map((folder) => readWorkspace(join(parent, folder), folder));
}

/** Paths that the root's tsconfig.json references, as "packages/mmu": what `tsc -b` checks. */
export const readRootReferences = (root: string): readonly string[] =>
  (readProject(join(root, "tsconfig.json")).references ?? []).map(({ path }) => path.replace(/^\.\//, ""));

function readWorkspace(path: string, folder: string): Workspace {
  const project = readProject(join(path, "tsconfig.src.json"));
  return {
    folder,
    manifest: JSON.parse(readFileSync(join(path, "package.json"), "utf8")),
    imports: ["src", "test", "tools", "bench", "fuzz"].flatMap((part) => readImports(path, part)),
    references: (project.references ?? []).map((reference) => reference.path.split("/")[1] ?? reference.path),
    types: project.compilerOptions?.types ?? [],
    libs: project.compilerOptions?.lib ?? [],
  };
}

interface Project {
  readonly references?: readonly { readonly path: string }[];
  readonly compilerOptions?: { readonly types?: readonly string[]; readonly lib?: readonly string[] };
}

/** A tsconfig file, comments and all; empty if there is none. */
const readProject = (file: string): Project =>
  existsSync(file) ? (ts.readConfigFile(file, (name) => readFileSync(name, "utf8")).config ?? {}) : {};

function readImports(path: string, part: string): readonly Import[] {
  if (!existsSync(join(path, part))) return [];
  return readdirSync(join(path, part), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[cm]?ts$/.test(name))
    .flatMap((name) => importsOf(join(path, part, name), join(part, name)));
}

function importsOf(path: string, file: string): readonly Import[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path, "utf8"), true, true);
  return importedFiles.map(({ fileName }) => ({ file, specifier: fileName }));
}
