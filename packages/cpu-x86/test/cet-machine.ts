// A bare machine with Control-flow Enforcement Technology on: 64-bit mode, pages of 4 KiB in the first 2 MiB, two of them shadow
// stacks. Instructions are run through their own handlers by `run`.
import { RECORD, RECORD_BYTES } from "../src/decode/decoded-insn.ts";
import { Decoder } from "../src/decode/decoder.ts";
import { EXIT_CODE } from "../src/interpreter/exits.ts";
import { recomputeMode } from "../src/segments/cache.ts";
import { AT, GPR } from "../src/state/layout.ts";
import { SCRATCH_RECORDS } from "../src/state/memory-map.ts";
import { BareMachine, PAGE_TABLES } from "./bare-machine.ts";
import { compileHandler, instantiateHandler } from "./insn-machine.ts";

/** Pages of shadow stacks: the user's and the supervisor's. */
export const USER_SHADOW = 0x5_0000;
export const KERNEL_SHADOW = 0x6_0000;
/** Tops of the stacks there. */
export const USER_SSP = BigInt(USER_SHADOW + 0x800);
export const KERNEL_SSP = BigInt(KERNEL_SHADOW + 0x800);
/** Where instructions are run. */
export const CODE = 0x1_0000n;
export const STACK = 0x7000n;

export const MSR = { uCet: 0x6a0, sCet: 0x6a2, pl0Ssp: 0x6a4, pl3Ssp: 0x6a7, sspTable: 0x6a8, xss: 0xda0 } as const;

const PT = PAGE_TABLES + 0x3000;
const [P, RW, US, D] = [1n, 2n, 4n, 0x40n];
const CR4_CET = 0x80_0000n;

export class CetMachine extends BareMachine {
  readonly #decoder: Decoder;
  readonly #handlers = new Map<number, (record: number) => number>();

  constructor(model = "max,kvm=on,+la57") {
    super(model);
    this.#decoder = new Decoder(this.memory.buffer, (name) => this.cpu.model.features.has(name));
  }

  /** 64-bit mode at CPL 0, with the controls of the supervisor and of user code. */
  enforce(sCet: number, uCet: number): this {
    this.long();
    const { cpu } = this;
    cpu.set64("cr0", 0x8001_0011n);
    cpu.set64("cr4", 0x20n | CR4_CET);
    cpu.set64("cetControl", BigInt(sCet), 0);
    cpu.set64("cetControl", BigInt(uCet), 1);
    cpu.linear.pagingChanged(true);
    recomputeMode(cpu);
    return this;
  }

  /** As {@link enforce}, in user code with its own shadow stack. */
  enforceUser(uCet: number, sCet = 0): this {
    this.enforce(sCet, uCet).user();
    this.cpu.set64("ssp", USER_SSP);
    return this;
  }

  override mapIdentity(): void {
    this.write64(PAGE_TABLES, BigInt(PAGE_TABLES + 0x1000) | P | RW | US);
    this.write64(PAGE_TABLES + 0x1000, BigInt(PAGE_TABLES + 0x2000) | P | RW | US);
    for (let i = 0; i < 8; i++) this.write64(PAGE_TABLES + 0x2000 + i * 8, BigInt(i << 21) | 0x87n);
    this.write64(PAGE_TABLES + 0x2000, BigInt(PT) | P | RW | US);
    for (let page = 0; page < 512; page++) this.map(page << 12, P | RW | US);
    this.map(USER_SHADOW, P | US | D);
    this.map(KERNEL_SHADOW, P | D);
  }

  map(gpa: number, flags: bigint): void {
    this.write64(PT + (gpa >> 12) * 8, BigInt(gpa) | flags);
  }

  get ssp(): bigint {
    return this.cpu.get64(AT.ssp);
  }

  set ssp(value: bigint) {
    this.cpu.set64(AT.ssp, value);
  }

  /** Quadwords from the top of the shadow stack down. */
  shadow(count: number): bigint[] {
    return Array.from({ length: count }, (_, i) => this.read64(Number(this.ssp) + i * 8));
  }

  wrmsr(index: number, value: bigint): string {
    const { cpu } = this;
    cpu.setGpr32(GPR.rcx, index);
    cpu.setGpr64(GPR.rax, value & 0xffff_ffffn);
    cpu.setGpr64(GPR.rdx, value >> 32n);
    const result = this.call("wrmsr");
    return result === "fault" ? this.fault() : result;
  }

  rdmsr(index: number): bigint | string {
    const { cpu } = this;
    cpu.setGpr32(GPR.rcx, index);
    const result = this.call("rdmsr");
    return result === "fault" ? this.fault() : (cpu.gpr64(GPR.rdx) << 32n) | cpu.gpr64(GPR.rax);
  }

  /** Executes the instruction with these bytes, at {@link CODE} or where rip is. @returns the exception, or "none". */
  run(hex: string, rip = CODE): string {
    const { cpu } = this;
    const code = Uint8Array.from(Buffer.from(hex, "hex"));
    const page = rip & ~0xfffn;
    cpu.rip = rip;
    cpu.set64("gpr", page, GPR.pageRip);
    const offset = Number(rip & 0xfffn);
    const records = this.#decoder.decode(code, 0, code.length, cpu.get32("mode"), SCRATCH_RECORDS, offset, 0);
    if (records === 0) throw new Error(`${hex} is cut off`);
    for (let i = 0; i < records; i++) {
      const record = SCRATCH_RECORDS + i * RECORD_BYTES;
      const exit = this.#handler(cpu.view.getUint16(record + RECORD.handler, true))(record);
      if (exit === EXIT_CODE.fault) {
        cpu.rip = rip;
        return this.fault();
      }
      if (exit === EXIT_CODE.near) cpu.rip = page + BigInt(cpu.view.getInt32(record + RECORD.immediate, true));
      else if (exit === EXIT_CODE.next) cpu.rip = rip + BigInt(this.#decoder.length);
    }
    return "none";
  }

  #handler(number: number): (record: number) => number {
    const known = this.#handlers.get(number);
    if (known !== undefined) return known;
    const handler = instantiateHandler(compileHandler(number), this.cpu, this.memory);
    this.#handlers.set(number, handler);
    return handler;
  }
}
