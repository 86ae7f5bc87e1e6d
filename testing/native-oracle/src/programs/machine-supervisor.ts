/**
 * What runs privileged programs one after the other on a whole machine, which need not be ours: a multiboot kernel that copies
 * a program's image to where it belongs, loads its registers, and takes both back when the program ends. Images lie in RAM
 * already; what they became lies there when the machine stops.
 *
 * 1. A program's own tables map one page of all this, the `switch` page, in the kernel half, where they map their kernel.
 * 2. Numbers in the listings are those of the constants: whoever changes one assembles anew.
 */

import { FXSAVE } from "../cpu-state.ts";
import { PAGE_BYTES } from "../environment.ts";
import { GUEST_IMAGE_PAGES, kernelPage, SYSTEM_REGISTERS } from "../guest-tables.ts";
import { GENERAL_REGISTERS } from "../vector.ts";
import { writeLegacySwitch } from "./legacy-switch.ts";
import { listingBytes, listingOffset } from "./listing.ts";
import type { Clocks } from "./program.ts";

/** RAM the machine must have: room for three hundred images. */
export const MACHINE_RAM_BYTES: number = 64 << 20;
/** Where two 64-bit numbers are: how many images, and how many have run. */
export const BATCH = { count: 0x110_0000, done: 0x110_0008 } as const;
/** The first image; the others follow. */
export const IMAGES = 0x120_0000;
/** Bytes below 64 KiB, which programs map. */
export const LOW_BYTES = 0x1_0000;
/** Bytes of an image: low memory, then the tables. */
export const IMAGE_BYTES: number = LOW_BYTES + GUEST_IMAGE_PAGES * PAGE_BYTES;
/** A byte written to this port stops the machine (isa-debug-exit). */
export const EXIT_PORT = 0xf4;

const SUPERVISOR = 0x100_0000;
const GDT = 0x20;
const GDTR = 0x38;
const CODE = 0x40;

/** Offsets in the `switch` page. Of what is loaded, and behind `left` of what a program leaves. */
export const SWITCH = {
  enter: 0x200,
  supervisorGdtr: 0x400,
  back: 0x410,
  gpr: 0x500,
  frame: 0x580,
  cr3: 0x5a8,
  gdtr: 0x5b0,
  idtr: 0x5c0,
  ds: 0x5d0,
  es: 0x5d2,
  fs: 0x5d4,
  gs: 0x5d6,
  cr0: 0x5d8,
  msrs: 0x600,
  /** Initial counts of the local APIC's timer and of the PIT. */
  clocks: 0x700,
  fxsave: 0x800,
  left: {
    gpr: 0xa00,
    cr0: 0xa80,
    cr2: 0xa88,
    cr3: 0xa90,
    cr4: 0xa98,
    ds: 0xaa0,
    es: 0xaa8,
    fs: 0xab0,
    gs: 0xab8,
    msrs: 0xac0,
    fxsave: 0xc00,
  },
} as const;

/**
 * From the loader's 32-bit code to 64-bit code under tables of its own, then from image to image. The PIC ends its interrupts by
 * itself; the local APIC is where the program's tables map it, 2000h behind the `switch` page.
 */
const KERNEL = `
  fa                     start: cli
  fc                     cld
  b011                   mov al, 0x11
  e620                   out 0x20, al
  b038                   mov al, 0x38
  e621                   out 0x21, al
  b004                   mov al, 4
  e621                   out 0x21, al
  b003                   mov al, 3
  e621                   out 0x21, al
  b0ff                   mov al, 0xff
  e621                   out 0x21, al
  e6a1                   out 0xa1, al
  bf00000101             mov edi, 0x1010000
  31c0                   xor eax, eax
  b9000c0000             mov ecx, 0xc00
  f3ab                   rep stosd
  c7050000010103100101   mov dword [0x1010000], 0x1011003
  c7050008010103401000   mov dword [0x1010800], 0x104003
  c7050010010103200101   mov dword [0x1011000], 0x1012003
  bf00200101             mov edi, 0x1012000
  b083                   mov al, 0x83
  8907                   map: mov [edi], eax
  83c708                 add edi, 8
  0500002000             add eax, 0x200000
  81ff00300101           cmp edi, 0x1013000
  75ee                   jne .map
  b820060500             mov eax, 0x50620
  0f22e0                 mov cr4, eax
  b800000101             mov eax, 0x1010000
  0f22d8                 mov cr3, eax
  b9800000c0             mov ecx, 0xc0000080
  b801090000             mov eax, 0x901
  31d2                   xor edx, edx
  0f30                   wrmsr
  b833000180             mov eax, 0x80010033
  0f22c0                 mov cr0, eax
  0f011538000001         lgdt [0x1000038]
  ead10000010800         jmp 8:wide
  b810000000             wide: mov eax, 0x10
  8ed8                   mov ds, eax
  8ec0                   mov es, eax
  8ed0                   mov ss, eax
  bc00000201             mov esp, 0x1020000
  31c9                   xor ecx, ecx
  b807020000             mov eax, 0x207
  31d2                   xor edx, edx
  0f01d1                 xsetbv
  bb00001001             next: mov ebx, 0x1100000
  488b4308               mov rax, [rbx+8]
  483b03                 cmp rax, [rbx]
  0f83f7000000           jae done
  4869f000600200         imul rsi, rax, 0x26000
  4881c600002001         add rsi, 0x1200000
  31ff                   xor edi, edi
  b900200000             mov ecx, 0x2000
  f348a5                 rep movsq
  bf00001000             mov edi, 0x100000
  b9002c0000             mov ecx, 0x2c00
  f348a5                 rep movsq
  48bd004001000080ffff   mov rbp, 0xffff800000014000
  80242545701000fd       and byte [0x107045], 0xfd
  0f0195b0050000         lgdt [rbp+0x5b0]
  0f019dc0050000         lidt [rbp+0x5c0]
  b840000000             mov eax, 0x40
  0f00d8                 ltr ax
  b050                   mov al, 0x50
  0f00d0                 lldt ax
  8e9dd0050000           mov ds, [rbp+0x5d0]
  8e85d2050000           mov es, [rbp+0x5d2]
  8ea5d4050000           mov fs, [rbp+0x5d4]
  8eadd6050000           mov gs, [rbp+0x5d6]
  31c0                   xor eax, eax
  0f22d0                 mov cr2, rax
  488db500060000         lea rsi, [rbp+0x600]
  8b0e                   msr: mov ecx, [rsi]
  85c9                   test ecx, ecx
  740e                   jz .set
  8b4608                 mov eax, [rsi+8]
  8b560c                 mov edx, [rsi+12]
  0f30                   wrmsr
  4883c610               add rsi, 16
  ebec                   jmp .msr
  480fae8d00080000       set: fxrstor64 [rbp+0x800]
  488b85d8050000         mov rax, [rbp+0x5d8]
  0f22c0                 mov cr0, rax
  c785f0200000 37010000  mov dword [rbp+0x20f0], 0x137
  c78550230000 00070000  mov dword [rbp+0x2350], 0x700
  c785e0230000 0b000000  mov dword [rbp+0x23e0], 0xb
  c78520230000 36000200  mov dword [rbp+0x2320], 0x20036
  8b8500070000           mov eax, [rbp+0x700]
  898580230000           mov [rbp+0x2380], eax
  8b8504070000           mov eax, [rbp+0x704]
  85c0                   test eax, eax
  7414                   jz .quiet
  b034                   mov al, 0x34
  e643                   out 0x43, al
  8b8504070000           mov eax, [rbp+0x704]
  e640                   out 0x40, al
  88e0                   mov al, ah
  e640                   out 0x40, al
  b0fe                   mov al, 0xfe
  e621                   out 0x21, al
  488d8500020000         quiet: lea rax, [rbp+0x200]
  ffe0                   jmp rax
  b000                   done: mov al, 0
  e6f4                   out 0xf4, al
  f4                     halt: hlt
  ebfd                   jmp .halt
  b810000000             back: mov eax, 0x10
  8ed8                   mov ds, eax
  8ec0                   mov es, eax
  8ed0                   mov ss, eax
  48bd004001000080ffff   mov rbp, 0xffff800000014000
  c78580230000 00000000  mov dword [rbp+0x2380], 0
  b0ff                   mov al, 0xff
  e621                   out 0x21, al
  bb00001001             mov ebx, 0x1100000
  48697b0800600200       imul rdi, [rbx+8], 0x26000
  4881c700002001         add rdi, 0x1200000
  31f6                   xor esi, esi
  b900200000             mov ecx, 0x2000
  f348a5                 rep movsq
  be00001000             mov esi, 0x100000
  b9002c0000             mov ecx, 0x2c00
  f348a5                 rep movsq
  48ff4308               inc qword [rbx+8]
  e999feffff             jmp next
`;

/** In the `switch` page: a program's registers are saved, and the supervisor's tables are back. */
const LEAVE = `
  488905f9090000         exit: mov [rel exit+0xa00], rax
  48890dfa090000         mov [rel exit+0xa08], rcx
  488915fb090000         mov [rel exit+0xa10], rdx
  48891dfc090000         mov [rel exit+0xa18], rbx
  488925fd090000         mov [rel exit+0xa20], rsp
  48892dfe090000         mov [rel exit+0xa28], rbp
  488935ff090000         mov [rel exit+0xa30], rsi
  48893d000a0000         mov [rel exit+0xa38], rdi
  488d2dc1ffffff         lea rbp, [rel exit]
  0f20c0                 mov rax, cr0
  488985800a0000         mov [rbp+0xa80], rax
  0f20d0                 mov rax, cr2
  488985880a0000         mov [rbp+0xa88], rax
  0f20d8                 mov rax, cr3
  488985900a0000         mov [rbp+0xa90], rax
  0f20e0                 mov rax, cr4
  488985980a0000         mov [rbp+0xa98], rax
  4c8985400a0000         narrow: mov [rbp+0xa40], r8
  4c898d480a0000         mov [rbp+0xa48], r9
  4c8995500a0000         mov [rbp+0xa50], r10
  4c899d580a0000         mov [rbp+0xa58], r11
  4c89a5600a0000         mov [rbp+0xa60], r12
  4c89ad680a0000         mov [rbp+0xa68], r13
  4c89b5700a0000         mov [rbp+0xa70], r14
  4c89bd780a0000         mov [rbp+0xa78], r15
  8c9da00a0000           mov [rbp+0xaa0], ds
  8c85a80a0000           mov [rbp+0xaa8], es
  8ca5b00a0000           mov [rbp+0xab0], fs
  8cadb80a0000           mov [rbp+0xab8], gs
  488db5c00a0000         lea rsi, [rbp+0xac0]
  8b0e                   msr: mov ecx, [rsi]
  85c9                   test ecx, ecx
  740e                   jz .rest
  0f32                   rdmsr
  894608                 mov [rsi+8], eax
  89560c                 mov [rsi+12], edx
  4883c610               add rsi, 16
  ebec                   jmp .msr
  0f06                   rest: clts
  480fae85000c0000       fxsave64 [rbp+0xc00]
  b820060500             mov eax, 0x50620
  0f22e0                 mov cr4, rax
  b800000101             mov eax, 0x1010000
  0f22d8                 mov cr3, rax
  b833000180             mov eax, 0x80010033
  0f22c0                 mov cr0, rax
  bc00000201             mov esp, 0x1020000
  0f019500040000         lgdt [rbp+0x400]
  6a08                   push 8
  ffb510040000           push qword [rbp+0x410]
  48cb                   retfq
`;

/** Its other half, with rbp at the page. */
const ENTER = `
  488b85a8050000         enter: mov rax, [rbp+0x5a8]
  0f22d8                 mov cr3, rax
  488da580050000         lea rsp, [rbp+0x580]
  488b8500050000         mov rax, [rbp+0x500]
  488b8d08050000         mov rcx, [rbp+0x508]
  488b9510050000         mov rdx, [rbp+0x510]
  488b9d18050000         mov rbx, [rbp+0x518]
  488bb530050000         mov rsi, [rbp+0x530]
  488bbd38050000         mov rdi, [rbp+0x538]
  4c8b8540050000         mov r8, [rbp+0x540]
  4c8b8d48050000         mov r9, [rbp+0x548]
  4c8b9550050000         mov r10, [rbp+0x550]
  4c8b9d58050000         mov r11, [rbp+0x558]
  4c8ba560050000         mov r12, [rbp+0x560]
  4c8bad68050000         mov r13, [rbp+0x568]
  4c8bb570050000         mov r14, [rbp+0x570]
  4c8bbd78050000         mov r15, [rbp+0x578]
  488bad28050000         mov rbp, [rbp+0x528]
  48cf                   iretq
`;

/** ELF-less multiboot: the header says where everything goes. Multiboot Specification 0.6.96, "Header layout". */
export function supervisorKernel(): Uint8Array {
  const code = listingBytes(KERNEL);
  const bytes = new Uint8Array(CODE + code.length);
  const view = new DataView(bytes.buffer);
  const header = [MULTIBOOT.magic, MULTIBOOT.addresses, -(MULTIBOOT.magic + MULTIBOOT.addresses)];
  for (const [i, word] of [...header, SUPERVISOR, SUPERVISOR, 0, 0, SUPERVISOR + CODE].entries())
    view.setInt32(i * 4, word, true);
  view.setBigUint64(GDT + 8, 0x00af_9b00_0000_ffffn, true);
  view.setBigUint64(GDT + 16, 0x00cf_9300_0000_ffffn, true);
  writeTableRegister(view, GDTR, BigInt(SUPERVISOR + GDT), 23);
  bytes.set(code, CODE);
  return bytes;
}

const EFER_LMA = 0x400n;
const MULTIBOOT = { magic: 0x1bad_b002, addresses: 0x1_0000 } as const;

/** What LGDT and LIDT read. */
function writeTableRegister(view: DataView, at: number, base: bigint, limit: number): void {
  view.setUint16(at, limit, true);
  // The kernel's header has room for the lower half only: what 32-bit code reads.
  view.setUint32(at + 2, Number(base & 0xffff_ffffn), true);
  if (base >> 32n !== 0n) view.setUint32(at + 6, Number(base >> 32n), true);
}

/** Fills the `switch` page of an image: code, registers to load, and which of the model-specific ones are asked for.
 * @param image as CpuState has it: x87, MXCSR, XMM */
export function writeSwitch(
  ram: DataView,
  registers: Readonly<Record<string, bigint>>,
  image: Uint8Array,
  { apic, pit }: Clocks = { apic: 0, pit: 0 },
): void {
  const { gpa } = kernelPage("switch");
  const long = ((registers["efer"] ?? 0n) & EFER_LMA) !== 0n;
  const of = (name: string): bigint => registers[name] ?? 0n;
  const set = (offset: number, value: bigint): void => ram.setBigUint64(gpa + offset, BigInt.asUintN(64, value), true);
  writeBytes(ram, gpa, listingBytes(LEAVE));
  if (long) writeBytes(ram, gpa + SWITCH.enter, listingBytes(ENTER));
  else writeLegacySwitch(ram, of);
  writeTableRegister(ram, gpa + SWITCH.supervisorGdtr, BigInt(SUPERVISOR + GDT), 23);
  set(SWITCH.back, BigInt(SUPERVISOR + CODE + listingOffset(KERNEL, "back")));
  for (const [i, name] of GENERAL_REGISTERS.entries()) set(SWITCH.gpr + i * 8, of(name));
  for (const [i, name] of ["rip", "cs.selector", "rflags", "rsp", "ss.selector"].entries())
    set(SWITCH.frame + i * 8, of(name));
  for (const [i, count] of [apic, pit].entries()) ram.setUint32(gpa + SWITCH.clocks + i * 4, count, true);
  set(SWITCH.cr0, long ? of("cr0") : (SYSTEM_REGISTERS["cr0"] ?? 0n));
  set(SWITCH.cr3, of("cr3"));
  for (const name of ["gdtr", "idtr"] as const)
    writeTableRegister(ram, gpa + SWITCH[name], of(`${name}.base`), Number(of(`${name}.limit`)));
  for (const name of ["ds", "es", "fs", "gs"] as const)
    ram.setUint16(gpa + SWITCH[name], Number(of(`${name}.selector`)), true);
  for (const [i, [number, value]] of modelSpecific(of).entries()) {
    set(SWITCH.msrs + i * 16, BigInt(number));
    set(SWITCH.msrs + i * 16 + 8, value);
  }
  for (const [i, byte] of image.subarray(0, FXSAVE.ymm).entries()) ram.setUint8(gpa + SWITCH.fxsave + i, byte);
  for (const [i, { number }] of ASKED_MSRS.entries()) set(SWITCH.left.msrs + i * 16, BigInt(number));
}

/** Model-specific registers that are compared, by their names in VcpuState. */
export const ASKED_MSRS = [
  { number: 0xc000_0100, name: "fs.base" },
  { number: 0xc000_0101, name: "gs.base" },
  { number: 0xc000_0102, name: "msr.c0000102" },
  { number: 0x277, name: "msr.277" },
] as const;

/** Value of IA32_PAT after reset. */
const RESET_PAT = 0x0007_0406_0007_0406n;

function modelSpecific(of: (name: string) => bigint): readonly (readonly [number: number, value: bigint])[] {
  const systemCall = [0xc000_0081, 0xc000_0082, 0xc000_0084, 0x174, 0x175, 0x176].map(
    (number) => [number, of(`msr.${number.toString(16)}`)] as const,
  );
  const bases = ASKED_MSRS.slice(0, 3).map(({ number, name }) => [number, of(name)] as const);
  return [[0xc000_0080, SYSTEM_REGISTERS["efer"] ?? 0n], ...systemCall, ...bases, [0x277, RESET_PAT]];
}

/** Registers that a program left, by their names in VcpuState; XMM registers, too. */
export function readSwitch(ram: DataView): Readonly<Record<string, bigint>> {
  const { gpa } = kernelPage("switch");
  const { left } = SWITCH;
  const at = (offset: number): bigint => ram.getBigUint64(gpa + offset, true);
  const registers: Record<string, bigint> = {};
  for (const [i, name] of GENERAL_REGISTERS.entries()) registers[name] = at(left.gpr + i * 8);
  for (const name of ["cr0", "cr2", "cr3", "cr4"] as const) registers[name] = at(left[name]);
  for (const name of ["ds", "es", "fs", "gs"] as const) registers[`${name}.selector`] = at(left[name]) & 0xffffn;
  for (const [i, { name }] of ASKED_MSRS.entries()) registers[name] = at(left.msrs + i * 16 + 8);
  const image = left.fxsave;
  registers["mxcsr"] = at(image + FXSAVE.mxcsr) & 0xffffn;
  for (let i = 0; i < 16; i++)
    registers[`xmm${i}`] = (at(image + FXSAVE.xmm + i * 16 + 8) << 64n) | at(image + FXSAVE.xmm + i * 16);
  return registers;
}

function writeBytes(ram: DataView, gpa: number, bytes: Uint8Array): void {
  for (const [i, byte] of bytes.entries()) ram.setUint8(gpa + i, byte);
}
