import type { AccessSize, Gpa } from "./addresses.ts";
import type { Clock, InterruptPort, Stateful } from "./device.ts";

/** The block of host memory that holds guest RAM; hva = byte offset in it. */
export interface HostMemory {
  /** A `WebAssembly.Memory` (typed structurally: contracts know no engine). */
  readonly memory: { readonly buffer: ArrayBufferLike };
}

/** One range of guest physical memory backed by host memory. Bytes; `gpa`, `length` and `hva` are multiples of 4096. */
export interface MemorySlot {
  readonly gpa: Gpa;
  readonly length: number;
  readonly hva: number;
  readonly readOnly: boolean;
}

/** KVM-shaped execution; exit meanings follow Linux Documentation/virt/kvm/api.rst. */
export interface Accelerator {
  readonly name: string;
  /** Bytes at the start of the host memory that belong to the accelerator; guest RAM starts above. Multiple of 65536. */
  readonly reservedBytes: number;
  createVm(host: HostMemory, clock: Clock): Vm;
}

export interface Vm {
  setMemorySlot(index: number, slot: MemorySlot | undefined): void;
  /** One bit per frame of the slot; reading clears it. */
  takeDirtyLog(index: number): Uint8Array;
  /** RAM was written by someone other than a vCPU (DMA, loader): cached translations of it are dropped. */
  noteHostWrite(gpa: Gpa, length: number): void;
  createVcpu(id: number, intr: InterruptPort, io: IoPort): Vcpu;
}

/**
 * Where a vCPU takes a port access or a gpa that no slot backs: the board's two AddressSpaces. accel-tcg calls it in
 * place (an instruction may touch two devices); a KVM-style accelerator calls it from its exit loop.
 */
export interface IoPort {
  in(port: number, size: AccessSize): number;
  out(port: number, size: AccessSize, value: number): void;
  load(gpa: Gpa, dst: Uint8Array): void;
  store(gpa: Gpa, src: Uint8Array): void;
}

export interface Vcpu extends Stateful<VcpuState> {
  /** Runs about `budget` guest instructions at most. Guest behaviour never throws; every stop is an exit. */
  run(budget: number): VcpuExit;
  /** Makes `run` return 'intr' soon; callable from anywhere, also from inside an IoPort call. */
  kick(): void;
  /** INIT: architectural reset state (SDM vol. 3A, "Processor State After Reset"). */
  reset(): void;
  /** Instructions retired since creation. */
  readonly instructionCount: number;
  /** Human-readable registers, as QEMU's `info registers`; for error reports. */
  describe(): string;
}

/** 'intr': budget used up or kicked. 'hlt': waits for an interrupt. 'shutdown': triple fault. */
export type VcpuExit =
  | { readonly reason: "hlt" | "intr" | "shutdown" }
  | { readonly reason: "fail-entry"; readonly hardwareReason: number }
  | { readonly reason: "internal-error"; readonly detail: string };

/**
 * Architectural registers by name: rax..r15, rip, rflags, cr0, cr2, cr3, cr4, cr8, efer, xcr0, dr0-dr3, dr6, dr7,
 * `<seg>.selector|base|limit|attributes` for es cs ss ds fs gs ldtr tr, gdtr.base|limit, idtr.base|limit,
 * `msr.<hex>` for the rest, `xmm0`.. as 128-bit and `st0`.. as 80-bit numbers. Missing names keep their value.
 */
export interface VcpuState {
  readonly regs: Readonly<Record<string, bigint>>;
}
