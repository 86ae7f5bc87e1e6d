/**
 * What legacy-switch.ts lacks for programs whose selectors are paragraphs: the frame of IRETD that leads into virtual-8086 mode, and the way
 * into real-address mode and back. Nothing of it is on the program's stack.
 */
import { PARAGRAPHS } from "../environment.ts";
import { kernelPage, SELECTOR } from "../guest-tables.ts";
import { listingBytes } from "./listing.ts";
import type { Mode } from "./mode.ts";

/** Offsets in the `switch` page: code, CR0 as it is loaded in the end, the rest of a frame of IRETD, a selector of flat data. */
const AT = { enter: 0x200, exit: 0x3c0, cr0: 0x710, outer: 0x744, flatData: 0x758 } as const;
const FRAME = ["es", "ds", "fs", "gs"] as const;

/** From 64-bit code. Memory beyond the image is what real-tables.ts has there; segments of 64 KiB keep that limit. */
const ENTER = `
  6a60            enter: push 0x60
  6809421100      push narrow
  48cb            o64 retf
  0f20c0          narrow: mov eax, cr0
  25ffffff7f      and eax, 0x7fffffff
  0f22c0          mov cr0, eax
  b9800000c0      mov ecx, 0xc0000080
  2ea118471100    mov eax, [cs:0x114718]
  31d2            xor edx, edx
  0f30            wrmsr
  2ea114471100    mov eax, [cs:0x114714]
  0f22e0          mov cr4, eax
  2ea1a8451100    mov eax, [cs:0x1145a8]
  0f22d8          mov cr3, eax
  6a18            push 0x18
  07              pop es
  fc              cld
  bf00000100      mov edi, 0x10000
  b900400200      mov ecx, 0x24000
  b8cccccccc      mov eax, 0xcccccccc
  f3ab            rep stosd
  6a18            push 0x18
  17              pop ss
  bc38471100      mov esp, 0x114738
  9d              popfd
  b868000000      mov eax, 0x68
  8ed8            mov ds, eax
  8ec0            mov es, eax
  8ee0            mov fs, eax
  8ee8            mov gs, eax
  8ed0            mov ss, eax
  ea690200007800  jmp 0x78:real
  2e66a11007      real: mov eax, [cs:0x710]
  0f22c0          mov cr0, eax
  2e8e1e4807      mov ds, [cs:0x748]
  2e8e064407      mov es, [cs:0x744]
  2e8e264c07      mov fs, [cs:0x74c]
  2e8e2e5007      mov gs, [cs:0x750]
  2e8e164007      mov ss, [cs:0x740]
  2e668b263c07    mov esp, [cs:0x73c]
  2e66a10005      mov eax, [cs:0x500]
  2e668b0e0805    mov ecx, [cs:0x508]
  2e668b161005    mov edx, [cs:0x510]
  2e668b1e1805    mov ebx, [cs:0x518]
  2e668b2e2805    mov ebp, [cs:0x528]
  2e668b363005    mov esi, [cs:0x530]
  2e668b3e3805    mov edi, [cs:0x538]
  2e66ff2e3007    jmp far dword [cs:0x730]
`;

/** To where legacy programs save the rest, from real-tables.ts, which has entered protected mode, and EAX in the log. */
const EXIT = `
  2e8e1558471100  exit: mov ss, [cs:0x114758]
  2ea140e81000    mov eax, [cs:0x10e840]
  e92effffff      jmp 0x114300
`;

/** Data segments as 64-bit code loads them on the way: these selectors are none of its. */
export const NO_SEGMENTS: Readonly<Record<string, bigint>> = Object.fromEntries(
  FRAME.map((name) => [`${name}.selector`, 0n]),
);

/** Fills that of the `switch` page, over what writeSwitch wrote. */
export function writeParagraphSwitch(ram: DataView, { paragraphs }: Mode): void {
  const { gpa } = kernelPage("switch");
  const set = (offset: number, value: number): void => ram.setUint32(gpa + offset, value, true);
  for (const [i, name] of FRAME.entries()) set(AT.outer + i * 4, PARAGRAPHS.segments[name].selector);
  if (paragraphs !== "real") return;
  for (const [at, listing] of [
    [AT.enter, ENTER],
    [AT.exit, EXIT],
  ] as const)
    for (const [i, byte] of listingBytes(listing).entries()) ram.setUint8(gpa + at + i, byte);
  set(AT.flatData, SELECTOR.kernelData);
}
