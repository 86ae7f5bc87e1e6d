// Registers for people: error reports and the monitor. The shape is that of QEMU's `info registers`.
import { FLAG, SEG } from "./bits.ts";
import type { Cpu } from "./cpu.ts";
import { AT, GPR, SEGMENT } from "./layout.ts";

/** Several lines, without a newline at the end. */
export function describe(cpu: Cpu): string {
  const wide = cpu.longMode;
  const hex = (value: bigint, digits = wide ? 16 : 8): string =>
    BigInt.asUintN(digits * 4, value)
      .toString(16)
      .padStart(digits, "0");
  const names = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] as const;
  const low = names.map((name) => [(wide ? name : `e${name.slice(1)}`).toUpperCase(), cpu.gpr64(GPR[name])] as const);
  const high = wide ? [8, 9, 10, 11, 12, 13, 14, 15].map((i) => [`R${i}`, cpu.gpr64(i)] as const) : [];
  const registers = [...low, ...high].map(([name, value]) => `${name.padEnd(3)}=${hex(value)}`);
  const lines = rowsOf(registers, 4);
  lines.push(
    `${wide ? "RIP" : "EIP"}=${hex(cpu.rip)} ${wide ? "RFL" : "EFL"}=${hex(BigInt(cpu.rflags), 8)} ` +
      `[${flagLetters(cpu.rflags)}] CPL=${cpu.cpl} HLT=${cpu.get32(AT.halted)}`,
  );
  for (const name of ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"] as const) {
    lines.push(segmentLine(cpu, name, hex));
  }
  for (const name of ["gdtr", "idtr"] as const) {
    lines.push(
      `${name.slice(0, 3).toUpperCase()}=     ${hex(cpu.get64(`${name}Base`))} ${hex(BigInt(cpu.get32(`${name}Limit`)), 8)}`,
    );
  }
  lines.push(
    `CR0=${hex(cpu.get64(AT.cr0), 8)} CR2=${hex(cpu.get64(AT.cr2))} CR3=${hex(cpu.get64(AT.cr3))} CR4=${hex(cpu.get64(AT.cr4), 8)}`,
  );
  lines.push(
    rowsOf(
      [0, 1, 2, 3, 6, 7].map((i) => `DR${i}=${hex(cpu.get64(AT.dr, i))}`),
      3,
    ).join("\n"),
  );
  lines.push(`EFER=${hex(cpu.get64(AT.efer), 16)}`);
  return lines.join("\n");
}

function rowsOf(cells: readonly string[], perRow: number): string[] {
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += perRow) lines.push(cells.slice(i, i + perRow).join(" "));
  return lines;
}

const LETTERS = [
  [FLAG.DF, "D"],
  [FLAG.OF, "O"],
  [FLAG.SF, "S"],
  [FLAG.ZF, "Z"],
  [FLAG.AF, "A"],
  [FLAG.PF, "P"],
  [FLAG.CF, "C"],
] as const;

function flagLetters(flags: number): string {
  return LETTERS.map(([bit, letter]) => ((flags & bit) !== 0 ? letter : "-")).join("");
}

function segmentLine(cpu: Cpu, name: keyof typeof SEGMENT, hex: (value: bigint, digits?: number) => string): string {
  const i = SEGMENT[name];
  const attributes = cpu.get32(AT.segAttributes, i);
  const title = (name === "ldtr" ? "LDT" : name).toUpperCase().padEnd(3);
  const selector = hex(BigInt(cpu.get32(AT.segSelector, i)), 4);
  const usable = (attributes & SEG.UNUSABLE) === 0;
  const dpl = (attributes >>> SEG.dplShift) & 3;
  return (
    `${title}=${selector} ${hex(cpu.get64(AT.segBase, i))} ${hex(BigInt(cpu.get32(AT.segLimit, i)), 8)} ` +
    `${hex(BigInt(attributes), 5)}${usable ? ` DPL=${dpl}` : " unusable"}`
  );
}
