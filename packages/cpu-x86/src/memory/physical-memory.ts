import type { EventKind } from "../exceptions/event.ts";

/** What the CPU needs of the machine below it; accel-tcg supplies it. Addresses are guest physical, in bytes. */
export interface PhysicalMemory {
  /** hva of the frame's first byte if it is RAM or ROM, else -1; the same until `LinearMemory.flushAll`. */
  readableFrame(gfn: number): number;
  /** hva of the frame's first byte if plain stores to it need not be seen: RAM without decoded code; else -1. */
  writableFrame(gfn: number): number;
  /** Copies `size` bytes at `gpa`, all in one frame, RAM or device, to `hva` in the WebAssembly memory. */
  load(gpa: number, size: number, hva: number): void;
  /** The other way; drops what was decoded from the frame. */
  store(gpa: number, size: number, hva: number): void;
}

/** The rest of the world as instructions see it. */
export interface CpuHost {
  readonly physical: PhysicalMemory;
  portIn(port: number, size: 1 | 2 | 4): number;
  portOut(port: number, size: 1 | 2 | 4, value: number): void;
  /** Nanoseconds since power-on, never decreasing. */
  now(): number;
  /** Seconds between 1970-01-01 UTC and power-on, fraction included; for the paravirtual clock. */
  readonly powerOnTime?: number;
  /** 32 random bits, fit for making keys; absent: RDRAND reports that it has none. */
  random?(): number;
  /** CR8. */
  taskPriority: number;
  /** MSRs that live in the local APIC; undefined: #GP. */
  readApicMsr(index: number): bigint | undefined;
  /** False: #GP. */
  writeApicMsr(index: number, value: bigint): boolean;
  /** An event is about to enter its handler; registers still show where it came from. For logs. */
  delivering?(vector: number, kind: EventKind, errorCode: number): void;
  /** The guest wrote the time-stamp counter or IA32_TSC_ADJUST: it is now this many ticks ahead of the clock. */
  timeStampMoved?(ticks: number): void;
}
