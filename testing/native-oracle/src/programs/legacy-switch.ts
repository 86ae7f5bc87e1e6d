/**
 * The way of machine-supervisor.ts into legacy mode and back, in the `switch` page: long mode is left and entered under the page's own
 * address in RAM, which programs' tables map, too.
 */
import { kernelPage } from "../guest-tables.ts";
import { listingBytes, listingOffset } from "./listing.ts";

/** Offsets in the `switch` page: code, and what is loaded beside {@link SWITCH}: control registers, which way, a frame of IRET. */
const NARROW = { enter: 0x200, exit: 0x300, cr0: 0x710, cr4: 0x714, efer: 0x718, way: 0x71c, frame: 0x730 } as const;

const VM = 0x2_0000n;

/** From 64-bit code with rbp at the page. Privilege 0 is entered without a trace on the program's stack. */
const ENTER = `
  4c8b8540050000  enter: mov r8, [rbp+0x540]
  4c8b8d48050000  mov r9, [rbp+0x548]
  4c8b9550050000  mov r10, [rbp+0x550]
  4c8b9d58050000  mov r11, [rbp+0x558]
  4c8ba560050000  mov r12, [rbp+0x560]
  4c8bad68050000  mov r13, [rbp+0x568]
  4c8bb570050000  mov r14, [rbp+0x570]
  4c8bbd78050000  mov r15, [rbp+0x578]
  6a60            push 0x60
  6841421100      push narrow
  48cb            o64 retf
  0f20c0          narrow: mov eax, cr0
  25ffffff7f      and eax, 0x7fffffff
  0f22c0          mov cr0, eax
  b9800000c0      mov ecx, 0xc0000080
  2ea118471100    mov eax, cs:[0x114718]
  31d2            xor edx, edx
  0f30            wrmsr
  2ea114471100    mov eax, cs:[0x114714]
  0f22e0          mov cr4, eax
  2ea1a8451100    mov eax, cs:[0x1145a8]
  0f22d8          mov cr3, eax
  2ea110471100    mov eax, cs:[0x114710]
  0f22c0          mov cr0, eax
  bc30471100      mov esp, 0x114730
  2e8b0d08451100  mov ecx, cs:[0x114508]
  2e8b1510451100  mov edx, cs:[0x114510]
  2e8b1d18451100  mov ebx, cs:[0x114518]
  2e8b2d28451100  mov ebp, cs:[0x114528]
  2e8b3530451100  mov esi, cs:[0x114530]
  2e8b3d38451100  mov edi, cs:[0x114538]
  2ea100451100    mov eax, cs:[0x114500]
  2eff251c471100  jmp near [cs:0x11471c]
  cf              outer: iretd
  2eff3538471100  inner: push dword cs:[0x114738]
  9d              popfd
  2e8e1540471100  mov ss, [cs:0x114740]
  2e8b253c471100  mov esp, cs:[0x11473c]
  2eff2d30471100  jmp far [cs:0x114730]
`;

/** To where 64-bit programs save the rest, `narrow` in LEAVE. */
const EXIT = `
  36a3004a1100      exit: mov ss:[0x114a00], eax
  36890d084a1100    mov ss:[0x114a08], ecx
  368915104a1100    mov ss:[0x114a10], edx
  36891d184a1100    mov ss:[0x114a18], ebx
  368925204a1100    mov ss:[0x114a20], esp
  36892d284a1100    mov ss:[0x114a28], ebp
  368935304a1100    mov ss:[0x114a30], esi
  36893d384a1100    mov ss:[0x114a38], edi
  0f20c0            mov eax, cr0
  36a3804a1100      mov ss:[0x114a80], eax
  25ffffff7f        and eax, 0x7fffffff
  0f22c0            mov cr0, eax
  0f20d2            mov edx, cr2
  368915884a1100    mov ss:[0x114a88], edx
  0f20da            mov edx, cr3
  368915904a1100    mov ss:[0x114a90], edx
  0f20e2            mov edx, cr4
  368915984a1100    mov ss:[0x114a98], edx
  b820060500        mov eax, 0x50620
  0f22e0            mov cr4, eax
  b800000101        mov eax, 0x1010000
  0f22d8            mov cr3, eax
  b9800000c0        mov ecx, 0xc0000080
  b801090000        mov eax, 0x901
  31d2              xor edx, edx
  0f30              wrmsr
  b833000180        mov eax, 0x80010033
  0f22c0            mov cr0, eax
  360f011500441100  lgdt ss:[0x114400]
  ea9b4311000800    jmp dword 8:wide
  bd00401100        wide: mov ebp, 0x114000
  e9c2fcffff        jmp 0x114067
`;

/** Fills what legacy programs need of the `switch` page beyond others. */
export function writeLegacySwitch(ram: DataView, of: (name: string) => bigint): void {
  const { gpa } = kernelPage("switch");
  for (const [at, listing] of [
    [NARROW.enter, ENTER],
    [NARROW.exit, EXIT],
  ] as const)
    for (const [i, byte] of listingBytes(listing).entries()) ram.setUint8(gpa + at + i, byte);
  const set = (offset: number, value: number): void => ram.setUint32(gpa + offset, value, true);
  for (const name of ["cr0", "cr4", "efer"] as const) set(NARROW[name], Number(of(name)));
  const outer = (of("cs.selector") & 3n) !== 0n || (of("rflags") & VM) !== 0n;
  set(NARROW.way, gpa + NARROW.enter + listingOffset(ENTER, outer ? "outer" : "inner"));
  for (const [i, name] of ["rip", "cs.selector", "rflags", "rsp", "ss.selector"].entries())
    set(NARROW.frame + i * 4, Number(of(name) & 0xffff_ffffn));
}
