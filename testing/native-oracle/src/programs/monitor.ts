/**
 * What a kernel has beside legacy-tables.ts when its programs run in virtual-8086 mode: services that do for them what they may not.
 * Faults come to legacy-handler.ts, which goes on in the segment that programs have their code in.
 *
 * Sources: SDM vol. 3B, "Virtual-8086 Mode"; numbers in the listings are those of the constants.
 */
import { descriptor, kernelPage, SELECTOR } from "../guest-tables.ts";
import { writeGate32 } from "./legacy-tables.ts";
import { listingBytes, listingOffset } from "./listing.ts";
import { type Mode, OPEN_PORTS } from "./mode.ts";
import { SERVICE, VECTORS } from "./system-tables.ts";

/**
 * Vectors of services: INTO between IOPL 3 and 0, the other space, a page-table entry (EBX the page, ECX the entry's low half and NX as its
 * bit 16, EDX bit 12 the table), bits of CR0 (TS, WP and AM) and of CR4 (TSD, PGE and UMIP) in EAX.
 */
export const MONITOR = {
  trace: 1,
  iopl: 4,
  space: VECTORS.toKernel,
  count: VECTORS.count,
  edit: 0x34,
  control: 0x35,
  features: 0x39,
} as const;

/** Offset of the services in their page, in which SYSENTER's is the last of legacy-tables.ts. */
const MONITOR_OFFSET = 0x200;

/**
 * Nothing that a program does to its pages reaches them: `edit` takes pages below B000h only. With DS and ES flat this is code that may be
 * translated; the way back loads the program's.
 */
const SERVICES = `
  6a181f            iopl: push 0x18; pop ds
  6a1807            push 0x18; pop es
  8174240800300000  xor dword [esp+8], 0x3000
  cf                iretd
  6a181f            space: push 0x18; pop ds
  6a1807            push 0x18; pop es
  50                push eax
  0f20d8            mov eax, cr3
  3500000100        xor eax, 0x10000
  0f22d8            mov cr3, eax
  58                pop eax
  cf                iretd
  6a181f            count: push 0x18; pop ds
  6a1807            push 0x18; pop es
  36ff05f8ef1000    inc dword [ss:LOG+0xff8]
  cf                iretd
  6a181f            edit: push 0x18; pop ds
  6a1807            push 0x18; pop es
  53                push ebx
  51                push ecx
  52                push edx
  81e300f00000      and ebx, 0xf000
  81fb00b00000      cmp ebx, 0xb000
  7328              jae done
  81e200100000      and edx, 0x1000
  c1eb09            shr ebx, 9
  8d941a00d00000    lea edx, [edx+ebx+0xd000]
  c1e309            shl ebx, 9
  3666890a          mov [ss:edx], cx
  81e100000100      and ecx, 0x10000
  c1e10f            shl ecx, 15
  36894a04          mov [ss:edx+4], ecx
  360f013b          invlpg [ss:ebx]
  5a                done: pop edx
  59                pop ecx
  5b                pop ebx
  cf                iretd
  6a181f            control: push 0x18; pop ds
  6a1807            push 0x18; pop es
  50                push eax
  51                push ecx
  0f20c1            mov ecx, cr0
  2508000500        and eax, 0x50008
  31c8              xor eax, ecx
  0f22c0            mov cr0, eax
  59                pop ecx
  58                pop eax
  cf                iretd
  6a181f            features: push 0x18; pop ds
  6a1807            push 0x18; pop es
  50                push eax
  51                push ecx
  0f20e1            mov ecx, cr4
  2584080000        and eax, 0x884
  31c8              xor eax, ecx
  0f22e0            mov cr4, eax
  59                pop ecx
  58                pop eax
  cf                iretd
  6a181f            trace: push 0x18; pop ds
  6a1807            push 0x18; pop es
  36ff05fcef1000    inc dword [ss:LOG+0xffc]
  36f605fcef100003  test byte [ss:LOG+0xffc], 3
  7508              jnz on
  81642408fffeffff  and dword [esp+8], ~0x100
  cf                on: iretd
`;

/** Of SYSENTER with ECX and EDX for SYSEXIT, which virtual-8086 mode does not have. NT stays set otherwise. */
const SYSTEM_CALL = `
  6a02        push 2
  9d          popfd
  6a10        push 0x10
  6a04        push 4
  6800010000  push 0x100
  6880000000  push 0x80
  6800020000  push 0x200
  51          push ecx
  6802320200  push 0x23202
  6800040000  push 0x400
  52          push edx
  cf          iretd
`;

/** The map's address in a TSS. */
const IO_MAP_BASE = 102;
const BUSY_TSS = 0x8b;
/** Bytes of the map, again and again, and those of ports 80h to 8Fh, which are closed. */
const PORT_BYTES = [0, 0xff, 0x55, 0xf0, 0] as const;
const CLOSED_BYTES = [0x10, 0x11] as const;

const USER_GATE = 0xee00;
/** IOPL 3 and VM. */
const FLAGS = 0x2_3000n;

/** Writes the services and their gates over those of legacy mode. */
export function writeMonitor(ram: DataView, { spaces }: Mode): void {
  if (((spaces[0] ?? 0n) ^ (spaces[1] ?? 0n)) !== 0x1_0000n)
    throw new Error("the service was written for other spaces");
  const page = kernelPage("services").gpa;
  for (const [at, listing] of [
    [MONITOR_OFFSET, SERVICES],
    [SERVICE.systemCall, SYSTEM_CALL],
  ] as const)
    for (const [i, byte] of listingBytes(listing).entries()) ram.setUint8(page + at + i, byte);
  for (const [label, vector] of Object.entries(MONITOR))
    writeGate32(ram, vector, SELECTOR.kernelCode, page + MONITOR_OFFSET + listingOffset(SERVICES, label), USER_GATE);
  openPorts(ram);
}

/** Half of the first thousand. SDM vol. 1, "I/O Permission Bit Map": a byte of ones ends it. */
function openPorts(ram: DataView): void {
  const tss = kernelPage("tss").gpa;
  const { map, limit } = OPEN_PORTS;
  ram.setUint16(tss + IO_MAP_BASE, map, true);
  for (let i = 0; i < limit - map; i++) ram.setUint8(tss + map + i, PORT_BYTES[i % PORT_BYTES.length] as number);
  for (const byte of CLOSED_BYTES) ram.setUint8(tss + map + byte, 0xff);
  ram.setUint8(tss + limit, 0xff);
  ram.setBigUint64(kernelPage("gdt").gpa + SELECTOR.tss, descriptor(tss, limit, BUSY_TSS), true);
}

/** RFLAGS of a program that begins with `rflags`. */
export const virtualFlags = (rflags: bigint): bigint => rflags | FLAGS;
