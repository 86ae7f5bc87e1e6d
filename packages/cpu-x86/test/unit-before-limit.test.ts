// Whether a unit may be used is asked before limits of segments are. SDM vol. 3A, "Priority Among Concurrent Events"; what the x87 has pending
// comes first on an AMD EPYC, too.
import { expect, it } from "vitest";
import { InsnMachine } from "./insn-machine.ts";

const BEYOND = { rax: 0x2000 };
const CR0_TS = 8n;
const CR0_NE = 0x20n;
const CR4_OSFXSR_OSXSAVE = 0x4_0600n;
const FSW_ES = 0x80;

function machine(): InsnMachine {
  const m = new InsnMachine(32).limit("ds", 0x0fff).set(BEYOND);
  m.cpu.set64("cr0", m.cpu.get64("cr0") | CR0_NE);
  m.cpu.set64("cr4", CR4_OSFXSR_OSXSAVE);
  m.cpu.set64("xcr0", 0xe7n);
  m.cpu.set64("opmask", 0xffffn, 1);
  return m;
}

const READS_AND_WRITES = [
  ["FADD m32", "d800"],
  ["FST m32", "d910"],
  ["MOVQ mm0, m64", "0f6f00"],
  ["MOVQ m64, mm0", "0f7f00"],
  ["CVTPI2PS m64", "0f2a00"],
  ["MOVUPS xmm0, m128", "0f1000"],
  ["MOVUPS m128, xmm0", "0f1100"],
  ["VMOVUPS ymm0, m256", "c5fc1000"],
  ["VMOVUPS m256, ymm0", "c5fc1100"],
  ["VMOVUPS zmm0, m512", "62f17c481000"],
  ["VMOVUPS m512, zmm0", "62f17c481100"],
  ["VMOVUPS zmm0{k1}, m512", "62f17c491000"],
  ["VMOVUPS m512{k1}, zmm0", "62f17c491100"],
  ["VMOVUPS xmm0, m128 with EVEX", "62f17c081000"],
  ["VUNPCKLPS zmm0, zmm0, m32{1to16}", "62f17c581400"],
] as const;

it.each(READS_AND_WRITES)("beyond a limit with CR0.TS set: %s", (_, code) => {
  const m = machine();
  m.run(code);
  expect(m.fault).toBe("#GP(0)");
  m.cpu.set64("cr0", m.cpu.get64("cr0") | CR0_TS);
  m.run(code);
  expect(m.fault).toBe("#NM");
});

it.each(READS_AND_WRITES)("beyond a limit with an x87 exception pending: %s", (name, code) => {
  const m = machine();
  m.cpu.set32("fpuStatus", FSW_ES);
  m.run(code);
  expect(m.fault).toBe(/^V|^MOVUPS/.test(name) ? "#GP(0)" : "#16");
});
