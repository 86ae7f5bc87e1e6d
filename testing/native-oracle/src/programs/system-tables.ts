/**
 * A kernel for programs that are privileged themselves. Every event has a stack of its own (IST1), since programs do with rSP
 * what they like; page tables lie in two windows for programs to edit; a second address space has other frames.
 */
import {
  CODE,
  type CodeBits,
  DATA,
  type Environment,
  LOCAL_DESCRIPTORS,
  PAGE_BYTES,
  READ_ONLY,
  type Window,
} from "../environment.ts";
import { descriptor, kernelPage, SELECTOR, SYSTEM_REGISTERS, writeGate } from "../guest-tables.ts";
import { listingBytes } from "./listing.ts";
import { COUNTERS, PROGRAM_WINDOWS } from "./program.ts";
import { noteLocalBase } from "./resume-handler.ts";

/** Where programs find the page tables that map their own windows: of the first and of the second address space. */
export const TABLE_WINDOWS = [0xd000, 0xe000] as const;
/** Frames that nothing is mapped to at first, for programs to map. */
export const SPARE_FRAMES = [0xb000, 0xc000, 0xf000] as const;
/** A page whose frame is no RAM. */
export const DEVICE_PAGE = 0x3000;
const DEVICE_GPA = 0x4000_0000;

/** Vectors of {@link SERVICES}: to privilege 0, back at once, the interrupt from outside, and one that programs cannot notice. */
export const VECTORS = { toKernel: 0x31, count: 0x32, external: 0x33, tick: 0x38 } as const;
/** Those that lead to the same: of the local APIC's timer and of nothing, of the PIC's input 0 and of nothing. */
const TICKS = [0x36, 0x37, VECTORS.tick, 0x3f] as const;
/** Where in their page they begin. */
export const SERVICE = {
  toKernel: 0,
  systemCall: 0x60,
  count: 0x80,
  tick: 0x100,
} as const;
const SERVICE_CODE: Readonly<Record<keyof typeof SERVICE, string>> = {
  toKernel: `
    807c2408 23 7420    cmp byte [rsp+8], 0x23; je wide
    807c2408 60 7419    cmp byte [rsp+8], 0x60; je wide
    807c2408 07 741d    cmp byte [rsp+8], 0x07; je narrow
    807c2408 34 7416    cmp byte [rsp+8], 0x34; je narrow
    48c7442408 10000000 mov qword [rsp+8], 0x10
    eb14                jmp stack
    48c7442408 60000000 wide: mov qword [rsp+8], 0x60
    eb09                jmp stack
    48c7442408 34000000 narrow: mov qword [rsp+8], 0x34
    48c7442420 18000000 stack: mov qword [rsp+32], 0x18
    48cf                iretq
  `,
  // QEMU forgets the flags that SYSCALL keeps.
  systemCall: `
    39c0                cmp eax, eax
    f048ff0425 10200000 lock inc qword [0x2010]
    480f07              sysret
  `,
  count: `
    50                  push rax
    8b0425 18200000     mov eax, [0x2018]
    8d444001            lea eax, [rax*2+rax+1]
    890425 18200000     mov [0x2018], eax
    58                  pop rax
    48cf                iretq
  `,
  tick: `
    48ff05 e9feffff          tick: inc qword [rel log+0xff0]
    c705 9f6f0000 00000000   mov dword [rel apic+0xb0], 0
    48cf                     iretq
  `,
};

const PTE = { P: 1n, RW: 2n, US: 4n, PCD: 0x10n, A: 0x20n, D: 0x40n, NX: 1n << 63n } as const;
const LINK = PTE.P | PTE.RW | PTE.US | PTE.A;
const GATE_IST1 = 1;
const GATE_IST2 = 2;
const IST1 = 0x24;
const IST2 = 0x2c;
/** In the `log` page, whose entries end below: a number of ticks, and where their stack begins. */
const TICK_COUNT = 0xff0;
const TICK_STACK = 0xfe0;
/** Where the kernel half maps the local APIC: a page behind all others. */
const APIC_PAGE = 22;
/** Guest physical address of the local APIC's end-of-interrupt register, which ticks write. */
export const APIC_EOI = 0xfee0_00b0;
const VECTOR_COUNT = 256;
/** Bytes of the local descriptors, and of the one behind them. */
const LOCAL_BYTES: number = (LOCAL_DESCRIPTORS.length + 1) * 8;

/** Windows of programs, what they may map, and the page tables, all below 64 KiB. */
export const SYSTEM_WINDOWS: readonly Window[] = [
  ...PROGRAM_WINDOWS,
  ...SPARE_FRAMES.map((address) => ({ address, length: PAGE_BYTES, writable: true, executable: false })),
];

/** Completes what writeGuestTables and writeResumeHandler wrote. */
export function writeSystemTables(ram: DataView, { codeBits }: Environment): void {
  writeServices(ram, codeBits);
  writeOtherSpace(ram);
  writeCompatibilitySegments(ram);
  const tss = kernelPage("tss");
  ram.setBigUint64(tss.gpa + IST1, kernelPage("stack").address + BigInt(PAGE_BYTES), true);
  const idt = kernelPage("idt").gpa;
  for (let vector = 0; vector < VECTOR_COUNT; vector++) ram.setUint8(idt + vector * 16 + 4, GATE_IST1);
  for (const vector of TICKS) ram.setUint8(idt + vector * 16 + 4, GATE_IST2);
  ram.setBigUint64(tss.gpa + IST2, kernelPage("log").address + BigInt(TICK_STACK), true);
  const apic = BigInt(APIC_EOI - (APIC_EOI % PAGE_BYTES)) | PTE.P | PTE.RW | PTE.PCD | PTE.A | PTE.D | PTE.NX;
  ram.setBigUint64(kernelPage("highPt").gpa + APIC_PAGE * 8, apic, true);
}

/** How many ticks came. */
export function readTicks(ram: DataView): number {
  return Number(ram.getBigUint64(kernelPage("log").gpa + TICK_COUNT, true));
}

function writeServices(ram: DataView, codeBits: CodeBits): void {
  const page = kernelPage("services");
  for (const [name, code] of Object.entries(SERVICE_CODE)) {
    for (const [i, byte] of listingBytes(code).entries())
      ram.setUint8(page.gpa + SERVICE[name as keyof typeof SERVICE] + i, byte);
  }
  for (const { vector, service, dpl } of serviceGates(codeBits === 64))
    writeGate(ram, vector, page.address + BigInt(SERVICE[service]), BigInt(dpl));
}

/** Which vectors lead to services, and who may call them. A fault in one goes on in the kernel's code: @param own whether programs have such. */
export function serviceGates(own: boolean): readonly ServiceGate[] {
  const count = own ? "count" : "tick";
  return [
    { vector: VECTORS.toKernel, service: "toKernel", dpl: 3 },
    { vector: VECTORS.count, service: count, dpl: 3 },
    { vector: VECTORS.external, service: count, dpl: 0 },
    ...TICKS.map((vector) => ({ vector, service: "tick", dpl: 0 }) as const),
  ];
}

interface ServiceGate {
  readonly vector: number;
  readonly service: keyof typeof SERVICE;
  readonly dpl: 0 | 3;
}

/** Both spaces see both page tables, and the device; the second sees other frames as data. */
function writeOtherSpace(ram: DataView): void {
  const gpa = (name: Parameters<typeof kernelPage>[0]): number => kernelPage(name).gpa;
  const set = (table: number, index: number, value: bigint): void => ram.setBigUint64(table + index * 8, value, true);
  const [first, second] = [gpa("lowPt"), gpa("otherPt")];
  for (const [i, name] of (["lowPt", "otherPt"] as const).entries())
    set(first, (TABLE_WINDOWS[i] as number) / PAGE_BYTES, BigInt(gpa(name)) | PTE.P | PTE.RW);
  set(first, DEVICE_PAGE / PAGE_BYTES, BigInt(DEVICE_GPA) | LINK);
  for (let i = 0; i < 16; i++) set(second, i, ram.getBigUint64(first + i * 8, true));
  for (const [i, page] of [DATA.address, DATA.address + PAGE_BYTES, READ_ONLY.address].entries())
    set(second, page / PAGE_BYTES, BigInt(SPARE_FRAMES[i] as number) | LINK | PTE.NX);
  set(gpa("otherPml4"), 0, BigInt(gpa("otherPdpt")) | LINK);
  set(gpa("otherPml4"), 256, ram.getBigUint64(gpa("pml4") + 256 * 8, true));
  set(gpa("otherPdpt"), 0, BigInt(gpa("otherPd")) | LINK);
  set(gpa("otherPd"), 0, BigInt(second) | LINK);
}

/** Registers of the kernel beyond those of {@link SYSTEM_REGISTERS}: what SYSCALL and SYSRET use, and what the features want. */
export const KERNEL_REGISTERS: Readonly<Record<string, bigint>> = {
  "msr.c0000081": (0x20n << 48n) | (0x10n << 32n),
  "msr.c0000082": kernelPage("services").address + BigInt(SERVICE.systemCall),
  "msr.c0000084": 0x700n,
  cr0: (SYSTEM_REGISTERS["cr0"] ?? 0n) | 0x1_0000n,
  "ldtr.limit": BigInt(LOCAL_BYTES - 1),
};

/** Code segments that programs of `codeBits` have at privilege 3 and 0. */
export const CODE_SELECTORS: Readonly<Record<CodeBits, { readonly user: number; readonly kernel: number }>> = {
  64: { user: 0x33, kernel: SELECTOR.kernelCode },
  32: { user: 0x23, kernel: 0x60 },
  16: { user: 0x07, kernel: 0x34 },
};
/** D and L as segment attributes have them. */
const CODE_ATTRIBUTES: Readonly<Record<CodeBits, number>> = { 64: 0xa09b, 32: 0xc09b, 16: 0x9b };

/** Code and stack segments of privilege 0, for registers of VcpuState. */
export function kernelSegments({ codeBits }: Environment): Readonly<Record<string, bigint>> {
  return {
    "cs.selector": BigInt(CODE_SELECTORS[codeBits].kernel),
    "cs.attributes": BigInt(CODE_ATTRIBUTES[codeBits]),
    "ss.selector": BigInt(SELECTOR.kernelData),
    "ss.attributes": 0xc093n,
  };
}

/** Kernel code of 32 bits in the GDT, and of 16 bits, with the base of the user's, behind the local descriptors. */
function writeCompatibilitySegments(ram: DataView): void {
  const base = LOCAL_DESCRIPTORS[0]?.base ?? 0;
  const local = kernelPage("ldt").gpa + (CODE_SELECTORS[16].kernel & ~7);
  ram.setBigUint64(local, descriptor(base, 0xffff, CODE_ATTRIBUTES[16]), true);
  noteLocalBase(ram, CODE_SELECTORS[16].kernel, base);
  const gdt = kernelPage("gdt").gpa;
  ram.setBigUint64(gdt + CODE_SELECTORS[32].kernel, descriptor(0, 0xffff_ffff, CODE_ATTRIBUTES[32]), true);
  ram.setUint16(gdt + SELECTOR.ldt, LOCAL_BYTES - 1, true);
}

/** Pages that programs map anew: data, read-only, code, and nothing that ends them. */
export const EDITABLE_PAGES: readonly number[] = [
  DATA.address,
  DATA.address + PAGE_BYTES,
  READ_ONLY.address,
  CODE.address,
  CODE.address + PAGE_BYTES,
  COUNTERS.address,
];
