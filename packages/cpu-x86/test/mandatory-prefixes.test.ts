import { expect, it } from "vitest";
import { InsnMachine } from "./insn-machine.ts";

const m = new InsnMachine(64);
const faultOf = (hex: string): string => {
  m.run(hex);
  return m.fault;
};

it("LFENCE, MFENCE, SFENCE, EMMS, CLAC, STAC, XGETBV and XSETBV are #UD with 66", () => {
  for (const hex of ["0faee8", "0faef0", "0faef8", "0f01ca", "0f01cb"])
    expect([hex, faultOf(hex)]).toEqual([hex, "none"]);
  for (const hex of ["0faee8", "0faef0", "0faef8", "0f77", "0f01ca", "0f01cb", "0f01d0", "0f01d1"])
    expect([hex, faultOf(`66${hex}`)]).toEqual([hex, "#UD"]);
});

it("CLAC, STAC, XGETBV and XSETBV are #UD with F2 and F3", () => {
  for (const hex of ["0f01ca", "0f01cb", "0f01d0", "0f01d1"])
    for (const prefix of ["f2", "f3"]) expect([hex, faultOf(prefix + hex)]).toEqual([hex, "#UD"]);
});

it("VEX.pp is part of an opcode: ANDN, BZHI, VMOVHLPS and VRCPPS are #UD with a pp of 66", () => {
  expect(faultOf("c4e2f8f2c0")).toBe("none");
  for (const hex of ["c4e2f9f2c0", "c4e2e1f5c0", "c4415912cb", "c5f953c0"])
    expect([hex, faultOf(hex)]).toEqual([hex, "#UD"]);
});
