/**
 * A kernel for programs that are privileged themselves. Every event has a stack of its own (IST1), since programs do with rSP
 * what they like; page tables lie in two windows for programs to edit; a second address space has other frames.
 */
import { CODE, DATA, PAGE_BYTES, READ_ONLY, type Window } from "../environment.ts";
import { kernelPage, SYSTEM_REGISTERS, writeGate } from "../guest-tables.ts";
import { COUNTERS, PROGRAM_WINDOWS } from "./program.ts";

/** Where programs find the page tables that map their own windows: of the first and of the second address space. */
export const TABLE_WINDOWS = [0xd000, 0xe000] as const;
/** Frames that nothing is mapped to at first, for programs to map. */
export const SPARE_FRAMES = [0xb000, 0xc000, 0xf000] as const;
/** A page whose frame is no RAM. */
export const DEVICE_PAGE = 0x3000;
const DEVICE_GPA = 0x4000_0000;

/** Vectors of {@link SERVICES}: to privilege 0, back at once, and the interrupt from outside. */
export const VECTORS = { toKernel: 0x31, count: 0x32, external: 0x33 } as const;
const SERVICE = {
  toKernel: 0,
  systemCall: 0x20,
  count: 0x40,
} as const;
const SERVICE_CODE: Readonly<Record<keyof typeof SERVICE, string>> = {
  // mov qword [rsp+8], 10h; mov qword [rsp+32], 18h; iretq
  toKernel: "48c744240810000000 48c744242018000000 48cf",
  // cmp eax, eax, since QEMU forgets the flags that SYSCALL keeps; lock inc qword [2010h]; sysret
  systemCall: "39c0 f048ff042510200000 480f07",
  // push rax; mov eax, [2018h]; lea eax, [rax*2+rax+1]; mov [2018h], eax; pop rax; iretq
  count: "50 8b042518200000 8d444001 89042518200000 58 48cf",
};

const PTE = { P: 1n, RW: 2n, US: 4n, A: 0x20n, D: 0x40n } as const;
const LINK = PTE.P | PTE.RW | PTE.US | PTE.A;
const GATE_IST1 = 1;
const IST1 = 0x24;
const VECTOR_COUNT = 256;

/** Windows of programs, what they may map, and the page tables, all below 64 KiB. */
export const SYSTEM_WINDOWS: readonly Window[] = [
  ...PROGRAM_WINDOWS,
  ...SPARE_FRAMES.map((address) => ({ address, length: PAGE_BYTES, writable: true, executable: false })),
];

/** Completes what writeGuestTables and writeResumeHandler wrote. */
export function writeSystemTables(ram: DataView): void {
  writeServices(ram);
  writeOtherSpace(ram);
  const tss = kernelPage("tss");
  ram.setBigUint64(tss.gpa + IST1, kernelPage("stack").address + BigInt(PAGE_BYTES), true);
  const idt = kernelPage("idt").gpa;
  for (let vector = 0; vector < VECTOR_COUNT; vector++) ram.setUint8(idt + vector * 16 + 4, GATE_IST1);
}

function writeServices(ram: DataView): void {
  const page = kernelPage("services");
  for (const [name, code] of Object.entries(SERVICE_CODE)) {
    const bytes = Buffer.from(code.replaceAll(" ", ""), "hex");
    for (const [i, byte] of bytes.entries()) ram.setUint8(page.gpa + SERVICE[name as keyof typeof SERVICE] + i, byte);
  }
  writeGate(ram, VECTORS.toKernel, page.address + BigInt(SERVICE.toKernel), 3n);
  writeGate(ram, VECTORS.count, page.address + BigInt(SERVICE.count), 3n);
  writeGate(ram, VECTORS.external, page.address + BigInt(SERVICE.count), 0n);
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
    set(second, page / PAGE_BYTES, BigInt(SPARE_FRAMES[i] as number) | LINK);
  set(gpa("otherPml4"), 0, BigInt(gpa("otherPdpt")) | LINK);
  set(gpa("otherPml4"), 256, ram.getBigUint64(gpa("pml4") + 256 * 8, true));
  set(gpa("otherPdpt"), 0, BigInt(gpa("otherPd")) | LINK);
  set(gpa("otherPd"), 0, BigInt(second) | LINK);
}

/** CR3 of the two address spaces. */
export const SPACES: readonly bigint[] = [kernelPage("pml4"), kernelPage("otherPml4")].map(({ gpa }) => BigInt(gpa));

/** Registers of the kernel beyond those of {@link SYSTEM_REGISTERS}: what SYSCALL and SYSRET use, and what the features want. */
export const KERNEL_REGISTERS: Readonly<Record<string, bigint>> = {
  "msr.c0000081": (0x20n << 48n) | (0x10n << 32n),
  "msr.c0000082": kernelPage("services").address + BigInt(SERVICE.systemCall),
  "msr.c0000084": 0x700n,
  cr0: (SYSTEM_REGISTERS["cr0"] ?? 0n) | 0x1_0000n,
};

/** Code and stack segments of privilege 0. */
export const KERNEL_SEGMENTS: Readonly<Record<string, bigint>> = {
  "cs.selector": 0x10n,
  "cs.attributes": 0xa09bn,
  "ss.selector": 0x18n,
  "ss.attributes": 0xc093n,
};

/** Pages that programs map anew: data, read-only, code, and nothing that ends them. */
export const EDITABLE_PAGES: readonly number[] = [
  DATA.address,
  DATA.address + PAGE_BYTES,
  READ_ONLY.address,
  CODE.address,
  CODE.address + PAGE_BYTES,
  COUNTERS.address,
];
