/** The few instructions that programs are held together by, in 64-, 32- and 16-bit code. */
import type { Environment } from "../environment.ts";

/** Little-endian bytes of `value`. */
export function littleEndian(value: number | bigint, bytes: number): number[] {
  const wide = BigInt(value);
  return Array.from({ length: bytes }, (_, i) => Number((wide >> BigInt(8 * i)) & 0xffn));
}

const OPERAND_SIZE = 0x66;

export class Assembler {
  readonly #bits: 16 | 32 | 64;
  readonly #codeBase: number;
  readonly #dataBase: number;

  constructor({ codeBits, segments }: Environment) {
    this.#bits = codeBits;
    this.#codeBase = codeBits === 64 ? 0 : segments.cs.base;
    this.#dataBase = codeBits === 64 ? 0 : segments.ds.base;
  }

  /** `mov register, value`, shortest form; outside 64-bit code the low 32 bits. */
  move(register: number, value: bigint): number[] {
    const opcode = 0xb8 + (register & 7);
    if (this.#bits !== 64) return [...this.#wide(), opcode, ...littleEndian(value & 0xffff_ffffn, 4)];
    const b = register > 7 ? 1 : 0;
    if (value < 0x1_0000_0000n) return [...(b ? [0x41] : []), opcode, ...littleEndian(value, 4)];
    if (BigInt.asIntN(32, value) === BigInt.asIntN(64, value))
      return [0x48 | b, 0xc7, 0xc0 + (register & 7), ...littleEndian(value, 4)];
    return [0x48 | b, opcode, ...littleEndian(value, 8)];
  }

  /** `jmp`, at linear `at`. */
  jump(at: number, target: number): number[] {
    const near = this.#relative([0xe9], at, target);
    const distance = target - (at + 2);
    return distance >= -128 && distance < 128 ? [0xeb, distance & 0xff] : near;
  }

  /** `jcc` with the condition in its low four bits. */
  jumpIf(condition: number, at: number, target: number): number[] {
    return this.#relative([0x0f, 0x80 + condition], at, target);
  }

  /** A short `jcc` over `bytes`. */
  skipIf(condition: number, bytes: number): number[] {
    return [0x70 + condition, bytes];
  }

  call(at: number, target: number): number[] {
    return this.#relative([0xe8], at, target);
  }

  /** `jmp register`, and what makes it an address in CS. */
  jumpThrough(register: number): number[] {
    return [0xff, 0xe0 + register];
  }

  codeOffset(linear: number): bigint {
    return BigInt(linear - this.#codeBase);
  }

  /** `op r/m32, imm32` among registers, /digit first. */
  aluImmediate(digit: number, register: number, value: number): number[] {
    return this.wide(0x81, 0xc0 | (digit << 3) | register, ...littleEndian(value, 4));
  }

  /** An instruction with operands of 32 bits, in 64-bit code perhaps of 64. */
  wide(...bytes: number[]): number[] {
    return [...this.#wide(), ...bytes];
  }

  /** Opcode bytes, and [address] with `digit` beside it. */
  withMemory(opcode: readonly number[], digit: number, address: number): number[] {
    return [...opcode, ...this.#absolute(digit, address)];
  }

  /** `mov eax, value`. */
  moveEax(value: number): number[] {
    return this.wide(0xb8, ...littleEndian(value, 4));
  }

  /** `dec dword [address]`. */
  decrement(address: number): number[] {
    return [...this.#wide(), 0xff, ...this.#absolute(1, address)];
  }

  /** `adc [address], register`, as wide as registers are. */
  accumulate(address: number, register: number): number[] {
    const [rex, reg] = [0x48 | (register > 7 ? 4 : 0), register & 7];
    const prefix = this.#bits === 64 ? [rex] : this.#wide();
    return [...prefix, 0x11, ...this.#absolute(reg, address)];
  }

  /** `mov dword [address], value`. */
  storeWord(address: number, value: number): number[] {
    return [...this.#wide(), 0xc7, ...this.#absolute(0, address), ...littleEndian(value, 4)];
  }

  /** `xor byte [address], value`. */
  flipByte(address: number, value: number): number[] {
    return [0x80, ...this.#absolute(6, address), value];
  }

  #wide(): number[] {
    return this.#bits === 16 ? [OPERAND_SIZE] : [];
  }

  #relative(opcode: readonly number[], at: number, target: number): number[] {
    const bytes = this.#bits === 16 ? 2 : 4;
    return [...opcode, ...littleEndian(target - (at + opcode.length + bytes), bytes)];
  }

  #absolute(digit: number, address: number): number[] {
    const offset = address - this.#dataBase;
    if (this.#bits === 16) return [(digit << 3) | 6, ...littleEndian(offset, 2)];
    if (this.#bits === 32) return [(digit << 3) | 5, ...littleEndian(offset, 4)];
    return [(digit << 3) | 4, 0x25, ...littleEndian(offset, 4)];
  }
}
