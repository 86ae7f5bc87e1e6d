/**
 * The kernel around programs in real-address mode: its vector table is where other modes have their IDT, and its code is that of the same
 * pages, which segment FFFFh reaches. Whatever is no window of a program ends it: nothing else keeps one from going astray.
 *
 * Sources: SDM vol. 3B, "Real-Address Mode Operation"; numbers in the listings are those of the constants.
 */
import { PAGE_BYTES, PARAGRAPHS, SEGMENT_NAMES, type Segment } from "../environment.ts";
import { descriptor, kernelPage } from "../guest-tables.ts";
import { listingBytes, listingOffset } from "./listing.ts";
import { SYSTEM_WINDOWS, VECTORS } from "./system-tables.ts";

/** Where conventional memory ends. */
const CONVENTIONAL_BYTES = 0xa_0000;
const INT3 = 0xcc;
/** The segment of the kernel, and where it begins. */
const KERNEL = { selector: 0xffff, base: 0xf_fff0 } as const;
const VECTOR_COUNT = 256;
/** Data and code of 64 KiB in the GDT, for ways into real-address mode; code is in the `switch` page and where the kernel is. */
const REAL_DATA = 0x68;
const REAL_CODE = 0x78;
const KERNEL_CODE = 0x38;
const ACCESS = { data: 0x93, code: 0x9b } as const;
/** Offsets in the log: eip and cs, eflags, esp, and ss of the program's end. */
const FINAL = { ip: 0x800, cs: 0x802, flags: 0x804, sp: 0x808, ss: 0x80c } as const;

/** What resume-handler.ts does. Behind `halt` is the way to real-switch.ts. */
const HANDLER = `
  fc                handler: cld
  1e                push ds
  0e                push cs
  1f                pop ds
  6660              pushad
  89e5              mov bp, sp
  807e2203          cmp byte [bp+34], 3
  747f              je finish
  66a110e0          mov eax, [LOG]
  663b0618e0        cmp eax, [LOG+8]
  7374              jae finish
  66ff0610e0        inc dword [LOG]
  89c7              mov di, ax
  c1e705            shl di, 5
  660fb74e22        movzx ecx, word [bp+34]
  66898d10e1        mov [di+LOG+0x100], ecx
  8b4e20            mov cx, [bp+32]
  898d1ce1          mov [di+LOG+0x10c], cx
  8c851ee1          mov [di+LOG+0x10e], es
  660fb75626        movzx edx, word [bp+38]
  66899528e1        mov [di+LOG+0x118], edx
  660fb74e28        movzx ecx, word [bp+40]
  66c1e104          shl ecx, 4
  6601ca            add edx, ecx
  662b1620e0        sub edx, [LOG+16]
  40                inc ax
  6681fa00100000    cmp edx, 4096
  7308              jae wild
  66c1ea06          shr edx, 6
  6642              inc edx
  eb05              jmp place
  66678d1480        wild: lea edx, [eax+eax*4]
  6683e23f          place: and edx, 63
  66c1e206          shl edx, 6
  66031620e0        add edx, [LOG+16]
  6681ea00400000    sub edx, 0x4000
  895626            mov [bp+38], dx
  c746280004        mov word [bp+40], 0x400
  6661              popad
  1f                pop ds
  83c404            add sp, 4
  cf                iret
  668b4626          finish: mov eax, [bp+38]
  66a310e8          mov [LOG+0x800], eax
  8b462a            mov ax, [bp+42]
  a314e8            mov [LOG+0x804], ax
  668b460c          mov eax, [bp+12]
  6683c00c          add eax, 12
  66a318e8          mov [LOG+0x808], eax
  8c161ce8          mov [LOG+0x80c], ss
  6661              popad
  1f                pop ds
  f4                halt: hlt
  2e66a350e8        mov [cs:LOG+0x840], eax
  0f20c0            mov eax, cr0
  0c01              or al, 1
  0f22c0            mov cr0, eax
  66eac04311006000  jmp dword 0x60:0x1143c0
`;

/** `flip` is a service of arithmetic flags, `count` of a number in memory; `trace` ends single steps, behind every fourth. */
const SERVICES = `
  55            flip: push bp
  89e5          mov bp, sp
  817606d508    xor word [bp+6], 0x8d5
  5d            pop bp
  cf            iret
  1e            count: push ds
  6650          push eax
  31c0          xor ax, ax
  8ed8          mov ds, ax
  66a11820      mov eax, [0x2018]
  66678d444001  lea eax, [eax*2+eax+1]
  66a31820      mov [0x2018], eax
  6658          pop eax
  1f            pop ds
  cf            iret
  55            trace: push bp
  89e5          mov bp, sp
  2e66ff06fcef  inc dword [cs:LOG+0xfec]
  2ef606fcef03  test byte [cs:LOG+0xfec], 3
  7505          jnz on
  816606fffe    and word [bp+6], ~0x100
  5d            on: pop bp
  cf            iret
`;

/**
 * A service in flat 32-bit code, as loaders have them: a sum of data in protected mode, and back with segments of 64 KiB. Long enough to be
 * translated.
 */
const WORK = `
  1e                work: push ds
  06                push es
  6660              pushad
  2e8c1650e8        mov [cs:LOG+0x840], ss
  2e66892654e8      mov [cs:LOG+0x840+4], esp
  0f20c0            mov eax, cr0
  0c01              or al, 1
  0f22c0            mov cr0, eax
  66ea0ff410006000  jmp dword 0x60:flat+BASE
  b818000000        flat: mov eax, 0x18
  8ed8              mov ds, eax
  8ec0              mov es, eax
  8ed0              mov ss, eax
  bc00ce1000        mov esp, 0x10ce00
  be00400000        mov esi, 0x4000
  31db              xor ebx, ebx
  b918000000        mov ecx, 24
  8b06              turn: mov eax, [esi]
  c1c305            rol ebx, 5
  31c3              xor ebx, eax
  83c604            add esi, 4
  49                dec ecx
  75f3              jnz turn
  011d20200000      add [0x2020], ebx
  b868000000        mov eax, 0x68
  8ed8              mov ds, eax
  8ec0              mov es, eax
  8ed0              mov ss, eax
  ea60f400003800    jmp 0x38:narrow
  0f20c0            narrow: mov eax, cr0
  24fe              and al, 0xfe
  0f22c0            mov cr0, eax
  ea6df4ffff        jmp 0xffff:back
  2e8e1650e8        back: mov ss, [cs:LOG+0x840]
  2e668b2654e8      mov esp, [cs:LOG+0x840+4]
  6661              popad
  07                pop es
  1f                pop ds
  cf                iret
`;
const WORK_OFFSET = 0x3f0;
/** The vector that leads there. */
export const WORK_VECTOR = 0x34;

const SERVICE_OF: readonly (readonly [vector: number, label: string])[] = [
  [1, "trace"],
  [4, "flip"],
  [VECTORS.toKernel, "flip"],
  [VECTORS.count, "count"],
  [VECTORS.external, "count"],
];

const HALT = listingOffset(HANDLER, "halt");
const NOP = 0x90;

/** Writes it all over the tables of legacy mode. */
export function writeRealTables(ram: DataView): void {
  fillGaps(ram);
  const bytes = (gpa: number, code: ArrayLike<number>): void => {
    for (let i = 0; i < code.length; i++) ram.setUint8(gpa + i, code[i] as number);
  };
  const handler = kernelPage("resumption").gpa;
  const services = kernelPage("services").gpa;
  bytes(handler, listingBytes(HANDLER));
  bytes(services, listingBytes(SERVICES));
  for (let vector = 0; vector < VECTOR_COUNT; vector++) {
    const stub = kernelPage("handlers").gpa + vector * 16;
    // push 0; push vector; jmp handler
    bytes(stub, [0x6a, 0, 0x68, vector, 0, 0xe9, 0, 0]);
    ram.setInt16(stub + 6, handler - (stub + 8), true);
    writeVector(ram, vector, stub);
  }
  bytes(services + WORK_OFFSET, listingBytes(WORK));
  writeVector(ram, WORK_VECTOR, services + WORK_OFFSET);
  for (const [vector, label] of SERVICE_OF) writeVector(ram, vector, services + listingOffset(SERVICES, label));
  const gdt = kernelPage("gdt").gpa;
  ram.setBigUint64(gdt + REAL_DATA, descriptor(0, 0xffff, ACCESS.data), true);
  ram.setBigUint64(gdt + KERNEL_CODE, descriptor(KERNEL.base, 0xffff, ACCESS.code), true);
  ram.setBigUint64(gdt + REAL_CODE, descriptor(kernelPage("switch").gpa, 0xffff, ACCESS.code), true);
}

function writeVector(ram: DataView, vector: number, gpa: number): void {
  const entry = kernelPage("idt").gpa + vector * 4;
  ram.setUint16(entry, gpa - KERNEL.base, true);
  ram.setUint16(entry + 2, KERNEL.selector, true);
}

function fillGaps(ram: DataView): void {
  for (let page = 0; page < CONVENTIONAL_BYTES; page += PAGE_BYTES) {
    if (SYSTEM_WINDOWS.some(({ address, length }) => page >= address && page < address + length)) continue;
    new Uint8Array(ram.buffer, ram.byteOffset + page, PAGE_BYTES).fill(INT3);
  }
}

/** Programs end on their way to the `switch` page instead of at a HLT. */
export function endRealElsewhere(ram: DataView): void {
  ram.setUint8(kernelPage("resumption").gpa + HALT, NOP);
}

/** Whether the processor halted in the handler. */
export const isAtRealEnd = (rip: bigint, codeBase: bigint): boolean =>
  Number(codeBase) === KERNEL.base && Number(rip) + KERNEL.base === kernelPage("resumption").gpa + HALT + 1;

/** ip, cs, flags, esp and ss of what ended the program. */
export function readRealEnd(ram: DataView): readonly number[] {
  const { gpa } = kernelPage("log");
  const { ip, cs, flags, sp, ss } = FINAL;
  const word = (at: number): number => ram.getUint16(gpa + at, true);
  return [word(ip), word(cs), word(flags), ram.getUint32(gpa + sp, true), word(ss)];
}

/** Segment registers of programs, for VcpuState. @param attributes as they are in the mode */
export function paragraphSegments(attributes: bigint): Readonly<Record<string, bigint>> {
  const registers = (name: string, { selector, base, limit }: Segment): readonly (readonly [string, bigint])[] => [
    [`${name}.selector`, BigInt(selector)],
    [`${name}.base`, BigInt(base)],
    [`${name}.limit`, BigInt(limit)],
    [`${name}.attributes`, attributes],
  ];
  return Object.fromEntries(SEGMENT_NAMES.flatMap((name) => registers(name, PARAGRAPHS.segments[name])));
}
