/**
 * The part of the WebAssembly JavaScript interface that tsvm uses, for packages whose `lib` has no DOM: TypeScript keeps
 * these types in lib.dom, which would bring `window` and `fetch` along. Same names and shapes as lib.dom, so both may
 * be present. A package gets them by listing this file in the `include` of its tsconfig.src.json.
 *
 * Source: W3C "WebAssembly JavaScript Interface", sections "The WebAssembly Namespace" to "Exceptions".
 */
declare namespace WebAssembly {
  type ValueType = "anyfunc" | "externref" | "f32" | "f64" | "i32" | "i64" | "v128";
  type ImportExportKind = "function" | "global" | "memory" | "table" | "tag";
  type TableKind = "anyfunc" | "externref";
  /** Bytes of a binary module. */
  type BinarySource = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

  // biome-ignore lint/complexity/noBannedTypes: exported functions have every signature there is.
  type ExportValue = Function | Global | Memory | Table;
  type Exports = Record<string, ExportValue>;
  type ImportValue = ExportValue | number | bigint;
  type ModuleImports = Record<string, ImportValue>;
  type Imports = Record<string, ModuleImports>;

  interface CompileError extends Error {}
  var CompileError: { prototype: CompileError; new (message?: string): CompileError };
  interface LinkError extends Error {}
  var LinkError: { prototype: LinkError; new (message?: string): LinkError };
  /** What a trap throws. */
  interface RuntimeError extends Error {}
  var RuntimeError: { prototype: RuntimeError; new (message?: string): RuntimeError };

  interface ModuleExportDescriptor {
    kind: ImportExportKind;
    name: string;
  }
  interface ModuleImportDescriptor {
    kind: ImportExportKind;
    module: string;
    name: string;
  }
  // biome-ignore lint/suspicious/noEmptyInterface: an opaque handle, as in lib.dom.
  interface Module {}
  var Module: {
    prototype: Module;
    /** @throws CompileError if the bytes are no valid module. */
    new (bytes: BinarySource): Module;
    customSections(module: Module, name: string): ArrayBuffer[];
    exports(module: Module): ModuleExportDescriptor[];
    imports(module: Module): ModuleImportDescriptor[];
  };

  interface Instance {
    readonly exports: Exports;
  }
  var Instance: { prototype: Instance; new (module: Module, imports?: Imports): Instance };

  interface MemoryDescriptor {
    /** Pages of 65536 bytes. */
    initial: number;
    /** Pages of 65536 bytes; required when shared. */
    maximum?: number;
    shared?: boolean;
  }
  interface Memory {
    /** Detached and replaced by `grow`. A SharedArrayBuffer when the memory is shared, which the type does not show. */
    readonly buffer: ArrayBuffer;
    /** Adds `delta` pages; gives the number of pages before. */
    grow(delta: number): number;
  }
  var Memory: { prototype: Memory; new (descriptor: MemoryDescriptor): Memory };

  interface TableDescriptor {
    element: TableKind;
    initial: number;
    maximum?: number;
  }
  interface Table {
    readonly length: number;
    // biome-ignore lint/suspicious/noExplicitAny: an element is a function of any signature or any host value.
    get(index: number): any;
    // biome-ignore lint/suspicious/noExplicitAny: as for get.
    grow(delta: number, value?: any): number;
    // biome-ignore lint/suspicious/noExplicitAny: as for get.
    set(index: number, value?: any): void;
  }
  var Table: {
    prototype: Table;
    // biome-ignore lint/suspicious/noExplicitAny: as for get.
    new (descriptor: TableDescriptor, value?: any): Table;
  };

  interface GlobalDescriptor {
    mutable?: boolean;
    value: ValueType;
  }
  interface Global {
    // biome-ignore lint/suspicious/noExplicitAny: number or bigint by the descriptor.
    value: any;
  }
  var Global: {
    prototype: Global;
    new (descriptor: GlobalDescriptor, value?: number | bigint): Global;
  };

  interface WebAssemblyInstantiatedSource {
    instance: Instance;
    module: Module;
  }
  function compile(bytes: BinarySource): Promise<Module>;
  function instantiate(bytes: BinarySource, imports?: Imports): Promise<WebAssemblyInstantiatedSource>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function validate(bytes: BinarySource): boolean;
}
