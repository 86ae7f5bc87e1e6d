import { ByteBuffer } from "./byte-buffer.ts";
import type { CodeWriter } from "./code-writer.ts";
import { VALUE_TYPE, type ValueType } from "./opcodes.ts";

/** Parameters and results of a function. */
export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

interface DefinedFunction {
  readonly typeIndex: number;
  readonly exportName: string | undefined;
  readonly locals: readonly ValueType[];
  readonly body: CodeWriter;
}

const SECTION = { custom: 0, type: 1, import: 2, function: 3, table: 4, export: 7, element: 9, code: 10 } as const;

/**
 * Builds one module with an imported memory ("env"."memory"), imported and defined functions, an imported table of
 * functions and one of its own.
 * Invariant: all imports are declared before the first definition, because they share one index space.
 */
export class ModuleBuilder {
  readonly #types: FunctionType[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #imports: { module: string; name: string; typeIndex: number }[] = [];
  #importedTable: { module: string; name: string } | undefined;
  readonly #functions: (DefinedFunction | undefined)[] = [];
  readonly #memory: { minPages: number; maxPages: number | undefined; shared: boolean };
  #table: readonly number[] = [];
  #tableExport: string | undefined;

  constructor(memory: { minPages: number; maxPages?: number; shared?: boolean }) {
    this.#memory = {
      minPages: memory.minPages,
      maxPages: memory.maxPages,
      shared: memory.shared ?? false,
    };
  }

  typeOf(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}:${results.join()}`;
    const known = this.#typeIndex.get(key);
    if (known !== undefined) return known;
    this.#types.push({ params, results });
    this.#typeIndex.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }

  /** Index of an imported function. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.#functions.length > 0) throw new Error("imports come before definitions");
    this.#imports.push({ module, name, typeIndex: this.typeOf(type.params, type.results) });
    return this.#imports.length - 1;
  }

  /** Reserves an index for a function whose body comes later, so that others may call it. */
  declareFunction(): number {
    this.#functions.push(undefined);
    return this.#imports.length + this.#functions.length - 1;
  }

  /** Gives a declared function its body; `locals` excludes the parameters. */
  defineFunction(
    index: number,
    type: FunctionType,
    locals: readonly ValueType[],
    body: CodeWriter,
    exportName?: string,
  ): void {
    const typeIndex = this.typeOf(type.params, type.results);
    this.#functions[index - this.#imports.length] = { typeIndex, locals, body, exportName };
  }

  /** @returns the number of an imported table of functions; there can be one. */
  importTable(module: string, name: string): number {
    this.#importedTable = { module, name };
    return 0;
  }

  /** Gives the module a table with these functions, in order. @returns its number; an imported table must be known by now. */
  setTable(functionIndices: readonly number[], exportName?: string): number {
    this.#table = functionIndices;
    this.#tableExport = exportName;
    return this.#ownTable;
  }

  get #ownTable(): number {
    return this.#importedTable === undefined ? 0 : 1;
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = new ByteBuffer(65536);
    out.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const section = (id: number, write: (body: ByteBuffer) => void): void => {
      const body = new ByteBuffer(4096);
      write(body);
      out.byte(id);
      out.u32(body.length);
      out.append(body);
    };
    section(SECTION.type, (b) => this.#writeTypes(b));
    section(SECTION.import, (b) => this.#writeImports(b));
    const functions = this.#functions.map((f, i) => {
      if (f === undefined) throw new Error(`function ${i + this.#imports.length} has no body`);
      return f;
    });
    section(SECTION.function, (b) => {
      b.u32(functions.length);
      for (const f of functions) b.u32(f.typeIndex);
    });
    if (this.#table.length > 0)
      section(SECTION.table, (b) => {
        b.raw(Uint8Array.of(1, 0x70, 0));
        b.u32(this.#table.length);
      });
    section(SECTION.export, (b) => this.#writeExports(b, functions));
    if (this.#table.length > 0)
      section(SECTION.element, (b) => {
        b.byte(1);
        // With a table number goes a kind of elements: functions.
        if (this.#ownTable === 0) b.raw(Uint8Array.of(0, 0x41, 0, 0x0b));
        else b.raw(Uint8Array.of(2, this.#ownTable, 0x41, 0, 0x0b, 0));
        b.u32(this.#table.length);
        for (const index of this.#table) b.u32(index);
      });
    if (functions.some(({ body }) => body.unlikelyBranches.length > 0))
      section(SECTION.custom, (b) => this.#writeBranchHints(b, functions));
    section(SECTION.code, (b) => {
      b.u32(functions.length);
      for (const f of functions) writeBody(b, f);
    });
    return out.toBytes();
  }

  #writeTypes(b: ByteBuffer): void {
    b.u32(this.#types.length);
    for (const type of this.#types) {
      b.byte(0x60);
      for (const list of [type.params, type.results]) {
        b.u32(list.length);
        for (const t of list) b.byte(VALUE_TYPE[t]);
      }
    }
  }

  #writeImports(b: ByteBuffer): void {
    const table = this.#importedTable;
    b.u32(this.#imports.length + (table === undefined ? 1 : 2));
    b.name("env");
    b.name("memory");
    b.byte(2);
    const { minPages, maxPages, shared } = this.#memory;
    b.byte((maxPages === undefined ? 0 : 1) | (shared ? 2 : 0));
    b.u32(minPages);
    if (maxPages !== undefined) b.u32(maxPages);
    if (table !== undefined) {
      b.name(table.module);
      b.name(table.name);
      b.raw(Uint8Array.of(1, 0x70, 0, 0));
    }
    for (const { module, name, typeIndex } of this.#imports) {
      b.name(module);
      b.name(name);
      b.byte(0);
      b.u32(typeIndex);
    }
  }

  /** WebAssembly, "Branch Hinting": offsets count from where a function declares its locals. */
  #writeBranchHints(b: ByteBuffer, functions: readonly DefinedFunction[]): void {
    b.name("metadata.code.branch_hint");
    const hinted = functions.filter(({ body }) => body.unlikelyBranches.length > 0);
    b.u32(hinted.length);
    for (const f of hinted) {
      b.u32(this.#imports.length + functions.indexOf(f));
      b.u32(f.body.unlikelyBranches.length);
      const before = localsOf(f).length;
      for (const offset of f.body.unlikelyBranches) {
        b.u32(before + offset);
        b.raw(UNLIKELY);
      }
    }
  }

  #writeExports(b: ByteBuffer, functions: readonly DefinedFunction[]): void {
    const named = functions
      .map((f, i) => ({ name: f.exportName, index: i + this.#imports.length }))
      .filter((f): f is { name: string; index: number } => f.name !== undefined);
    b.u32(named.length + (this.#tableExport === undefined ? 0 : 1));
    for (const { name, index } of named) {
      b.name(name);
      b.byte(0);
      b.u32(index);
    }
    if (this.#tableExport !== undefined) {
      b.name(this.#tableExport);
      b.raw(Uint8Array.of(1, this.#ownTable));
    }
  }
}

/** A hint of one byte. */
const UNLIKELY = Uint8Array.of(1, 0);

/** Runs of equal types share one declaration. */
function localsOf({ locals }: DefinedFunction): ByteBuffer {
  const out = new ByteBuffer(64);
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs[runs.length - 1];
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  out.u32(runs.length);
  for (const { type, count } of runs) {
    out.u32(count);
    out.byte(VALUE_TYPE[type]);
  }
  return out;
}

function writeBody(out: ByteBuffer, f: DefinedFunction): void {
  const body = new ByteBuffer(f.body.length + 64);
  body.append(localsOf(f));
  body.append(f.body);
  body.byte(0x0b);
  out.u32(body.length);
  out.append(body);
}
