/**
 * resume-handler.ts and the services of system-tables.ts in 32-bit code, for kernels outside long mode. There is no stack of its own for
 * events at privilege 0: data are reached through SS, which the kernel's is whenever its code runs, and how a program ended is
 * copied to the log.
 */
import { kernelPage } from "../guest-tables.ts";
import { listingBytes, listingOffset } from "./listing.ts";
import type { SERVICE } from "./system-tables.ts";

/** Offsets in the log: eip, cs, eflags, esp and ss of the program's end, ES, DS, FS and GS behind virtual-8086 code; ESP without SS. */
const FINAL = { frame: 0x800, sameStack: 0x824 } as const;
const VM = 0x2_0000;

/**
 * Entered with vector and error code above the frame, registers as the program left them. `note` does what both ends of it do;
 * `double` is the task of #DF, which goes on with the program at the top of its stack, or ends it; it jumps to its IRETD, since QEMU 7.2
 * saves flags that it has not computed yet.
 */
const HANDLER = `
  fc                      handler: cld
  50                      push eax
  51                      push ecx
  52                      push edx
  53                      push ebx
  e846000000              call note
  7208                    jc finish
  5b                      pop ebx
  5a                      pop edx
  59                      pop ecx
  58                      pop eax
  83c408                  add esp, 8
  cf                      iretd
  b902000000              finish: mov ecx, 2
  f644241c03              test byte [esp+28], 3
  7402                    jz counted
  b104                    mov cl, 4
  0fba64242011            counted: bt dword [esp+32], 17
  7302                    jnc copy
  b108                    mov cl, 8
  8b548c18                copy: mov edx, [esp+ecx*4+24]
  3689148d00e81000        mov ss:[ecx*4+LOG+0x800], edx
  49                      dec ecx
  79f1                    jns copy
  8d542424                lea edx, [esp+36]
  36891524e81000          mov ss:[LOG+0x824], edx
  5b                      pop ebx
  5a                      pop edx
  59                      pop ecx
  58                      pop eax
  f4                      halt: hlt
  e9b0720000              jmp 0x114300
  bb00e01000              note: mov ebx, LOG
  837c241403              cmp dword [esp+20], 3
  0f84af000000            je full
  368b03                  mov eax, ss:[ebx]
  363b4308                cmp eax, ss:[ebx+8]
  0f83a2000000            jae full
  36ff03                  inc dword ss:[ebx]
  89c1                    mov ecx, eax
  c1e105                  shl ecx, 5
  8d8c0b00010000          lea ecx, [ebx+ecx+0x100]
  8b542414                mov edx, [esp+20]
  368911                  mov ss:[ecx], edx
  8b542418                mov edx, [esp+24]
  36895108                mov ss:[ecx+8], edx
  368c590c                mov ss:[ecx+12], ds
  368c410e                mov ss:[ecx+14], es
  8364241800              and dword [esp+24], 0
  0fba74242410            btr dword [esp+36], 16
  0f20d2                  mov edx, cr2
  36895110                mov ss:[ecx+16], edx
  8b54241c                mov edx, [esp+28]
  36895118                mov ss:[ecx+24], edx
  40                      inc eax
  0fb74c2420              movzx ecx, word [esp+32]
  0fba64242411            bt dword [esp+36], 17
  720f                    jc virtual
  f6c104                  test cl, 4
  740f                    jz flat
  c1e903                  shr ecx, 3
  368b4ccb40              mov ecx, ss:[ebx+ecx*8+0x40]
  eb07                    jmp based
  c1e104                  virtual: shl ecx, 4
  eb02                    jmp based
  31c9                    flat: xor ecx, ecx
  01ca                    based: add edx, ecx
  362b5310                sub edx, ss:[ebx+16]
  81fa00100000            cmp edx, 4096
  7306                    jae wild
  c1ea06                  shr edx, 6
  42                      inc edx
  eb03                    jmp place
  8d1480                  wild: lea edx, [eax+eax*4]
  83e23f                  place: and edx, 63
  c1e206                  shl edx, 6
  36035310                add edx, ss:[ebx+16]
  0fba64242411            bt dword [esp+36], 17
  730d                    jnc there
  b900400000              mov ecx, 0x4000
  c744242000040000        mov dword [esp+32], 0x400
  29ca                    there: sub edx, ecx
  8954241c                mov [esp+28], edx
  f8                      clc
  c3                      ret
  8364241800              full: and dword [esp+24], 0
  0fba74242410            btr dword [esp+36], 16
  f9                      stc
  c3                      ret
  fc                      double: cld
  83c404                  add esp, 4
  36ff3524901000          push dword ss:[TSS+0x24]
  36ff354c901000          push dword ss:[TSS+0x4c]
  36ff3520901000          push dword ss:[TSS+0x20]
  6a00                    push 0
  6a08                    push 8
  83ec10                  sub esp, 16
  e80fffffff              call note
  8b442418                mov eax, [esp+24]
  36c7053890100000a80000  mov dword ss:[TSS+0x38], 0xa800
  731b                    jnc resume
  36c7054c90100060000000  mov dword ss:[TSS+0x4c], 0x60
  36c7053890100000cc1000  mov dword ss:[TSS+0x38], 0x10cc00
  b884d11000              mov eax, trap
  36a320901000            resume: mov ss:[TSS+0x20], eax
  360fba352490100010      btr dword ss:[TSS+0x24], 16
  83c424                  add esp, 36
  eb00                    jmp return
  cf                      return: iretd
  eb98                    jmp double
  cc                      trap: int3
`;

/** Of the same offsets as those in long mode. To privilege 0 from user code, with its stack and without interrupts; SYSENTER. */
export const SERVICE_CODE_32: Readonly<Record<keyof typeof SERVICE, string>> = {
  toKernel: `
    f644240403              kernel: test byte [esp+4], 3
    7501                    jnz up
    cf                      iretd
    368f0540e81000          up: pop dword ss:[LOG+0x840]
    368f0544e81000          pop dword ss:[LOG+0x844]
    36803d44e8100007        cmp byte ss:[LOG+0x844], 7
    36c70544e8100060000000  mov dword ss:[LOG+0x844], 0x60
    7508                    jne go
    36c60544e8100034        mov byte ss:[LOG+0x844], 0x34
    812424fffdffff          go: and dword [esp], ~0x200
    9d                      popfd
    5c                      pop esp
    36ff2d40e81000          jmp far [ss:LOG+0x840]
  `,
  systemCall: `
    f036ff0510200000  lock inc dword ss:[0x2010]
    0f35              sysexit
  `,
  count: `
    50            push eax
    36a118200000  mov eax, ss:[0x2018]
    8d444001      lea eax, [eax*2+eax+1]
    36a318200000  mov ss:[0x2018], eax
    58            pop eax
    cf            iretd
  `,
  tick: `
    36ff05f0ef1000          tick: inc dword ss:[0x10eff0]
    36c705b060110000000000  mov dword ss:[0x1160b0], 0
    cf                      iretd
  `,
};

const HALT = listingOffset(HANDLER, "halt");
const NOP = 0x90;

/** The code of the `resumption` page. */
export const legacyHandler = (): Uint8Array => listingBytes(HANDLER);

/** Linear address at which the task of #DF begins. */
export const DOUBLE_FAULT_ENTRY: number = kernelPage("resumption").gpa + listingOffset(HANDLER, "double");

/** Programs end in the `switch` page instead of a HLT. */
export function endLegacyElsewhere(ram: DataView): void {
  ram.setUint8(kernelPage("resumption").gpa + HALT, NOP);
}

/** Whether the processor halted there. */
export const isAtLegacyEnd = (rip: bigint): boolean => rip === BigInt(kernelPage("resumption").gpa + HALT + 1);

/** Registers of the exception that ended the program: rip, cs, rflags, rsp, ss, in virtual-8086 mode es, ds, fs and gs. */
export function readLegacyEnd(ram: DataView): readonly number[] {
  const { gpa } = kernelPage("log");
  const frame = Array.from({ length: 9 }, (_, i) => ram.getUint32(gpa + FINAL.frame + i * 4, true));
  const [cs = 0, rflags = 0] = frame.slice(1);
  if ((rflags & VM) !== 0) return frame;
  return (cs & 3) !== 0 ? frame.slice(0, 5) : [...frame.slice(0, 3), ram.getUint32(gpa + FINAL.sameStack, true)];
}
