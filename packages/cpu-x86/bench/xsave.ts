// Time of one call of the XSAVE family, as a kernel uses it: with x87, SSE, AVX and PKRU on and in use, those of AVX-512
// on and at rest, in an area within a page and in one that crosses pages. `pnpm --filter @tsvm/cpu-x86 bench`.
import { cpus } from "node:os";
import { AT, GPR, SEGMENT } from "../src/state/layout.ts";
import { HELPERS, type HelperName } from "../src/system/helpers.ts";
import { BareMachine } from "../test/bare-machine.ts";

const CALLS = 5_000;
const ROUNDS = 101;
const COMPONENTS = 0x2e7;

const machine = new BareMachine().long();
const { cpu } = machine;
machine.call("movToCr", 4, 0x4_0620);
cpu.setLow("xcr0", COMPONENTS);
cpu.setGpr32(GPR.rax, COMPONENTS);
cpu.set32("fpuIp", 1);
cpu.set32("pkru", 0x5555_5554);
for (let i = 0; i < 16; i++) cpu.u8.fill(i + 1, AT.zmm + i * 64, AT.zmm + i * 64 + 32);

/** @returns nanoseconds a call, sorted. */
function measure(name: HelperName, area: number): number[] {
  const helper = HELPERS[name];
  machine.call(name, area, 64, SEGMENT.ds);
  return Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let i = 0; i < CALLS; i++) helper(cpu);
    return ((performance.now() - start) * 1e6) / CALLS;
  }).sort((a, b) => a - b);
}

console.log(`${cpus()[0]?.model}, Node ${process.version}, ${ROUNDS} rounds of ${CALLS}`);
for (const [where, area] of [
  ["one page", 0x5000],
  ["two pages", 0x5f00],
] as const) {
  for (const name of ["xsave", "xsaveopt", "xrstor", "xsavec", "xsaves", "xrstors", "fxsave", "fxrstor"] as const) {
    const times = measure(name, area);
    const [low, median, high] = [0, ROUNDS >> 1, ROUNDS - 1].map((i) => times[i]?.toFixed(0));
    console.log(`${name.padEnd(9)} ${where.padEnd(10)} ${median?.padStart(5)} ns  (${low} to ${high})`);
  }
}
