// Executes single instructions through the generated code of their own handlers, compiled when first used. Paging is
// off, so linear addresses are physical ones.
import { LocalPool, lowerNodes } from "@tsvm/tcg";
import { CodeWriter, ModuleBuilder } from "@tsvm/wasm-emit";
import { parseCpuModel } from "../src/cpuid/models.ts";
import { RECORD, RECORD_BYTES } from "../src/decode/decoded-insn.ts";
import { Decoder, numbering } from "../src/decode/decoder.ts";
import { emitHandler } from "../src/emit/emit-insn.ts";
import type { X86Exit } from "../src/emit/x86-builder.ts";
import { defineSubroutines } from "../src/interpreter/define-subroutines.ts";
import { EXIT_CODE } from "../src/interpreter/exits.ts";
import { IMPORTS } from "../src/interpreter/generate.ts";
import { SUBROUTINES } from "../src/interpreter/subroutines.ts";
import type { CpuHost } from "../src/memory/physical-memory.ts";
import { recomputeMode, setSegmentCache } from "../src/segments/cache.ts";
import { ARITHMETIC_FLAGS } from "../src/state/bits.ts";
import { Cpu } from "../src/state/cpu.ts";
import { GPR, SEGMENT } from "../src/state/layout.ts";
import { RESERVED_BYTES, SCRATCH_RECORDS } from "../src/state/memory-map.ts";
import { decodingMode } from "../src/state/mode.ts";
import { resetState } from "../src/state/reset.ts";
import { HELPERS } from "../src/system/helpers.ts";

/** Frames below are RAM. */
const RAM_BYTES = 0x1_8000;
/** A page that is a device: reads give its reading number in every byte, writes are logged. */
export const DEVICE = RAM_BYTES;
/** Where instructions are executed. */
const CODE = 0x1000;
/** Attributes of segment caches with D, and L in 64-bit code. */
const ATTRIBUTES = {
  16: { code: 0x9b, data: 0x93 },
  32: { code: 0xc09b, data: 0xc093 },
  64: { code: 0xa09b, data: 0xc093 },
};

type RegisterName = Exclude<keyof typeof GPR, "zero" | "pageRip">;
type Handler = (record: number) => number;

const compiled = new Map<number, WebAssembly.Module>();

/** A module that exports the handler of one shape as `handler`. */
export function compileHandler(number: number): WebAssembly.Module {
  const module = new ModuleBuilder({ minPages: 1 });
  const indices = new Map<string, number>();
  for (const [name, type] of Object.entries(IMPORTS)) indices.set(name, module.importFunction("env", name, type));
  const functionIndex = (name: string): number => {
    // Few shapes call subroutines, and they are many.
    if (!indices.has(name)) defineSubroutines(module, SUBROUTINES, indices);
    return indices.get(name)!;
  };
  const writer = new CodeWriter();
  const locals = new LocalPool(1);
  lowerNodes(emitHandler(numbering.shapeOf(number)), writer, locals, {
    functionIndex,
    writeExit(exit, out) {
      out.i32Const(EXIT_CODE[exit as X86Exit]);
      out.return();
    },
  });
  writer.i32Const(EXIT_CODE.next);
  const type = { params: ["i32"], results: ["i32"] } as const;
  module.defineFunction(module.declareFunction(), type, locals.types, writer, "handler");
  return new WebAssembly.Module(module.build());
}

/** Instantiates a module that {@link compileHandler} made, for one CPU. @param onHelper is told of calls of helpers. */
export function instantiateHandler(
  module: WebAssembly.Module,
  cpu: Cpu,
  memory: unknown,
  onHelper = () => {},
): Handler {
  const { linear } = cpu;
  const helpers = Object.values(HELPERS);
  const env = {
    memory,
    readMiss: linear.readMiss.bind(linear),
    modifyMiss: linear.modifyMiss.bind(linear),
    writeMiss: linear.writeMiss.bind(linear),
    helper: (index: number) => {
      onHelper();
      return helpers[index]!(cpu);
    },
    resolve: () => 0,
    resolveNear: () => 0,
    hot: () => {},
    clock: () => cpu.host.now(),
  };
  return new WebAssembly.Instance(module, { env } as WebAssembly.Imports).exports["handler"] as Handler;
}

/** Flat segments in 32- and 64-bit code; base 0 and 64 KiB in 16-bit code. CPL is 0. */
export class InsnMachine {
  readonly cpu: Cpu;
  /** Guest memory; gpa 0 is at offset 0. */
  readonly ram: Uint8Array;
  /** Device accesses: "load 18000 4", "store 18000 2 1234". */
  readonly deviceLog: string[] = [];
  /** What the clock says. */
  nowNs = 0;
  readonly #memory: WebAssembly.Memory;
  readonly #decoder: Decoder;
  readonly #handlers = new Map<number, Handler>();

  constructor(codeBits: 16 | 32 | 64) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((RESERVED_BYTES + RAM_BYTES) / 0x1_0000) });
    this.#memory = memory;
    this.ram = new Uint8Array(memory.buffer, RESERVED_BYTES, RAM_BYTES);
    this.cpu = new Cpu(memory, this.#host(), parseCpuModel("max"));
    this.#decoder = new Decoder(memory.buffer, () => true);
    resetState(this.cpu);
    this.cpu.set64("cr0", 0x11n);
    if (codeBits === 64) this.cpu.set64("efer", 0x500n);
    this.cpu.linear.pagingChanged(false);
    const { code, data } = ATTRIBUTES[codeBits];
    const limit = codeBits === 16 ? 0xffff : 0xffff_ffff;
    for (let segment = 0; segment <= SEGMENT.gs; segment++)
      setSegmentCache(this.cpu, segment, 8, 0, limit, segment === SEGMENT.cs ? code : data);
    recomputeMode(this.cpu);
  }

  #host(): CpuHost {
    let readings = 0;
    const isRam = (gfn: number): boolean => gfn * 4096 < RAM_BYTES;
    const frame = (gfn: number): number => (isRam(gfn) ? RESERVED_BYTES + gfn * 4096 : -1);
    const bytes = new Uint8Array(this.#memory.buffer);
    return {
      physical: {
        readableFrame: frame,
        writableFrame: frame,
        load: (gpa, size, hva) => {
          if (gpa < RAM_BYTES) return void bytes.copyWithin(hva, RESERVED_BYTES + gpa, RESERVED_BYTES + gpa + size);
          this.deviceLog.push(`load ${gpa.toString(16)} ${size}`);
          bytes.fill(++readings, hva, hva + size);
        },
        store: (gpa, size, hva) => {
          if (gpa < RAM_BYTES) return void bytes.copyWithin(RESERVED_BYTES + gpa, hva, hva + size);
          const value = [...bytes.subarray(hva, hva + size)]
            .reverse()
            .map((byte) => byte.toString(16).padStart(2, "0"));
          this.deviceLog.push(`store ${gpa.toString(16)} ${size} ${value.join("")}`);
        },
      },
      portIn: () => 0,
      portOut: () => {},
      now: () => this.nowNs,
      taskPriority: 0,
      readApicMsr: () => undefined,
      writeApicMsr: () => false,
    };
  }

  /** Puts a limit on a segment that stays at base 0. */
  limit(segment: keyof typeof SEGMENT, limit: number): this {
    setSegmentCache(this.cpu, SEGMENT[segment], 8, 0, limit, 0x4093);
    recomputeMode(this.cpu);
    return this;
  }

  set(registers: Partial<Record<RegisterName, bigint | number>>): this {
    for (const [name, value] of Object.entries(registers))
      this.cpu.setGpr64(GPR[name as RegisterName], BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  get(name: RegisterName): bigint {
    return this.cpu.gpr64(GPR[name]);
  }

  /** CF PF AF ZF SF OF at their places. */
  get flags(): number {
    return this.cpu.rflags & ARITHMETIC_FLAGS;
  }

  set flags(value: number) {
    this.cpu.rflags = (this.cpu.rflags & ~ARITHMETIC_FLAGS) | value;
  }

  /** Executes the instruction with these bytes in hex. @returns how often its handler ran: more than once under REP. */
  run(hex: string): number {
    const { cpu } = this;
    const code = Uint8Array.from(hex.match(/[0-9a-f]{2}/gi) ?? [], (byte) => Number.parseInt(byte, 16));
    cpu.rip = BigInt(CODE);
    cpu.set64("gpr", BigInt(CODE), GPR.pageRip);
    cpu.set32("pendingVector", 0);
    const records = this.#decoder.decode(code, 0, code.length, decodingMode(cpu), SCRATCH_RECORDS, 0, 0);
    if (records === 0) throw new Error(`${hex} is cut off`);
    const last = SCRATCH_RECORDS + (records - 1) * RECORD_BYTES;
    for (let at = SCRATCH_RECORDS; at < last; at += RECORD_BYTES) if (this.#execute(at) === EXIT_CODE.fault) return 1;
    for (let times = 1; ; times++) {
      const exit = this.#execute(last);
      if (exit !== EXIT_CODE.again && exit !== EXIT_CODE.unfinished) return times;
    }
  }

  #execute(record: number): number {
    const number = this.cpu.view.getUint16(record + RECORD.handler, true);
    return this.#handler(number)(record);
  }

  #handler(number: number): Handler {
    const known = this.#handlers.get(number);
    if (known !== undefined) return known;
    const module = compiled.get(number) ?? compileHandler(number);
    compiled.set(number, module);
    const handler = instantiateHandler(module, this.cpu, this.#memory);
    this.#handlers.set(number, handler);
    return handler;
  }

  /** The pending exception, "#GP(0)" or "#DE"; "none" otherwise. */
  get fault(): string {
    const vector = this.cpu.get32("pendingVector") - 1;
    const code = this.cpu.get32("pendingErrorCode") | 0;
    if (vector < 0) return "none";
    return `#${VECTOR_NAMES[vector] ?? vector}${code === -1 ? "" : `(${code.toString(16)})`}`;
  }
}

const VECTOR_NAMES: Readonly<Record<number, string>> = {
  0: "DE",
  5: "BR",
  6: "UD",
  7: "NM",
  12: "SS",
  13: "GP",
  14: "PF",
};
