import { describe, expect, test } from "vitest";
import { CODE } from "../environment.ts";
import { FAMILIES } from "../forms/all-forms.ts";
import { form, parseEncoding } from "../forms/form.ts";
import { formLabel } from "../vector.ts";
import { generateVectors } from "./generate.ts";

const END = CODE.address + CODE.length;
const add = form("01 /r", "ADD Ev,Gv", { lock: true });

describe("encodings", () => {
  test("mandatory prefixes, opcode bytes and the ModRM digit are told apart", () => {
    expect(parseEncoding("66 0F 38 10 /r")).toMatchObject({
      mandatoryPrefixes: [0x66],
      opcode: [0x0f, 0x38, 0x10],
      modrm: "register",
    });
    expect(parseEncoding("REX.W 0F C7 /1")).toMatchObject({ rexW: true, opcode: [0x0f, 0xc7], modrm: 1 });
    expect(parseEncoding("50+r")).toMatchObject({ opcode: [0x50], registerInOpcode: true, modrm: undefined });
    expect(() => parseEncoding("0F ZZ")).toThrow("ZZ");
  });

  test("no form is listed twice in a family", () => {
    for (const forms of Object.values(FAMILIES)) {
      const labels = forms.map(formLabel);
      expect(labels.filter((label, i) => labels.indexOf(label) !== i)).toEqual([]);
    }
  });
});

describe("vectors of a form", () => {
  test("are the same every time", () => {
    expect(generateVectors(add)).toEqual(generateVectors(add));
  });

  test("are others with a salt", () => {
    expect(generateVectors(add, "once more")).not.toEqual(generateVectors(add));
  });

  test("lie in the code window and are at most one byte longer than allowed", () => {
    for (const { codeAddress, code } of Object.values(FAMILIES).flatMap((forms) =>
      forms.slice(0, 3).flatMap((form) => generateVectors(form)),
    )) {
      expect(code.length).toBeLessThanOrEqual(16);
      expect(codeAddress).toBeGreaterThanOrEqual(CODE.address);
      expect(codeAddress + code.length).toBeLessThanOrEqual(END);
    }
  });

  test("cover every mode, operand size, and both kinds of operand", () => {
    const vectors = generateVectors(add);
    expect(new Set(vectors.map(({ environment }) => environment.name))).toEqual(new Set(["16", "32", "64"]));
    const long = vectors.filter(({ environment }) => environment.codeBits === 64);
    const has = (prefix: (byte: number) => boolean): boolean => long.some(({ code }) => code.some(prefix));
    expect(has((byte) => byte === 0x66)).toBe(true);
    expect(has((byte) => (byte & 0xf8) === 0x48)).toBe(true);
    expect(has((byte) => byte === 0xf0)).toBe(true);
    const opcodeThenModrm = long.map(({ code }) => code[code.indexOf(0x01) + 1] ?? 0);
    expect(opcodeThenModrm.some((modrm) => modrm >= 0xc0)).toBe(true);
    expect(opcodeThenModrm.some((modrm) => modrm < 0xc0)).toBe(true);
  });

  test("branches never jump into themselves", () => {
    const jump = form("EB", "JMP Jb", { branch: true });
    for (const { code } of generateVectors(jump)) {
      const opcode = code.indexOf(0xeb);
      if (opcode < 0 || opcode + 2 !== code.length) continue;
      const displacement = ((code[opcode + 1] ?? 0) << 24) >> 24;
      expect(displacement >= 0 || displacement < -code.length).toBe(true);
    }
  });
});
