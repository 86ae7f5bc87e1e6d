// Kernels of a few instructions, for tests of whole machines. 32-bit code behind a multiboot header; ports are those of
// COM1 (0x3f8) and of isa-debug-exit at 0xf4.

const MAGIC = 0x1bad_b002;
/** The header gives addresses, so that no ELF is needed. Multiboot Specification 0.6.96, "The address fields". */
const ADDRESS_FIELDS = 1 << 16;
const LOAD_GPA = 0x10_0000;
const HEADER_BYTES = 32;

/** A multiboot image of this machine code, entered at its first byte. */
export function tinyKernel(code: readonly number[]): Uint8Array {
  const image = new Uint8Array(HEADER_BYTES + code.length);
  const view = new DataView(image.buffer);
  const end = LOAD_GPA + image.length;
  const checksum = -(MAGIC + ADDRESS_FIELDS) >>> 0;
  const header = [MAGIC, ADDRESS_FIELDS, checksum, LOAD_GPA, LOAD_GPA, end, end, LOAD_GPA + HEADER_BYTES];
  for (const [index, field] of header.entries()) view.setUint32(4 * index, field, true);
  image.set(code, HEADER_BYTES);
  return image;
}

/** Prints "Hi", writes 5 to the debug exit. */
export const HELLO: readonly number[] = [
  ...[0x66, 0xba, 0xf8, 0x03], //  mov dx, 0x3f8
  ...[0xb0, 0x48, 0xee], //        mov al, 'H'; out dx, al
  ...[0xb0, 0x69, 0xee], //        mov al, 'i'; out dx, al
  ...[0x66, 0xba, 0xf4, 0x00], //  mov dx, 0xf4
  ...[0xb0, 0x05, 0xee], //        mov al, 5; out dx, al
  ...[0xf4, 0xeb, 0xfd], //        hlt; jmp to it
];

/** Polls the serial port and echoes it until Ctrl-D. */
export const ECHO: readonly number[] = [
  ...[0x66, 0xba, 0xfd, 0x03], //  0: mov dx, 0x3fd
  ...[0xec, 0xa8, 0x01], //        1: in al, dx; test al, 1
  ...[0x74, 0xfb], //                 jz 1
  ...[0x66, 0xba, 0xf8, 0x03], //     mov dx, 0x3f8
  ...[0xec, 0x3c, 0x04], //           in al, dx; cmp al, 4
  ...[0x74, 0x03], //                 je 2
  ...[0xee, 0xeb, 0xeb], //           out dx, al; jmp 0
  ...[0x66, 0xba, 0xf4, 0x00], //  2: mov dx, 0xf4
  ...[0xee, 0xeb, 0xf9], //           out dx, al; jmp 2
];

/** Loads an empty IDT and takes an exception. */
export const TRIPLE_FAULT: readonly number[] = [
  ...[0x6a, 0x00, 0x6a, 0x00], //  push 0; push 0
  ...[0x0f, 0x01, 0x1c, 0x24], //  lidt [esp]
  0xcc, //                         int3
];

/** Counts in EAX for ever. */
export const SPIN: readonly number[] = [0x40, 0xeb, 0xfd]; // inc eax; jmp to it

/** Resets the machine through the keyboard controller. */
export const RESET: readonly number[] = [
  ...[0xb0, 0xfe, 0xe6, 0x64], //  mov al, 0xfe; out 0x64, al
  ...[0xeb, 0xfe], //              jmp to itself
];
