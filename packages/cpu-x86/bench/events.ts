// Time of what a page fault of a 64-bit kernel costs outside generated code: a soft-TLB miss with its page walk, and the
// delivery of #PF from user code with the IRET back. `pnpm --filter @tsvm/cpu-x86 bench`.
import { cpus } from "node:os";
import { VECTOR } from "../src/exceptions/vectors.ts";
import { GPR } from "../src/state/layout.ts";
import { HELPERS } from "../src/system/helpers.ts";
import { BareMachine, PAGE_TABLES, SEL } from "../test/bare-machine.ts";

const CALLS = 5_000;
const ROUNDS = 101;
const PAGES = 512;
const KERNEL_STACK = 0xa000;

const machine = new BareMachine().long();
const { cpu } = machine;
machine.write64(PAGE_TABLES + 0x1000, BigInt(PAGE_TABLES + 0x2000) | 7n);
machine.write64(PAGE_TABLES + 0x2000, BigInt(PAGE_TABLES + 0x3000) | 7n);
for (let i = 0; i < PAGES; i++) machine.write64(PAGE_TABLES + 0x3000 + i * 8, BigInt(i * 0x1000) | 0x67n);
machine.write64(0x3000 + 4, BigInt(KERNEL_STACK));
cpu.linear.flushAll();

function walk(): void {
  for (let i = 0; i < CALLS; i++) cpu.linear.readMiss((i % PAGES) << 12, 0, 4, 0);
}

/** From CPL 3 into the handler, and back by the IRET helper. */
function pageFault(): void {
  for (let i = 0; i < CALLS; i++) {
    cpu.raisePageFault(0x40_0000, 0, 6);
    machine.take();
    // The handler drops the error code.
    cpu.setLow("gpr", cpu.low("gpr", GPR.rsp) + 8, GPR.rsp);
    HELPERS.returnFromInterrupt(cpu);
  }
}

function report(name: string, run: () => void): void {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    run();
    return ((performance.now() - start) * 1e6) / CALLS;
  }).sort((a, b) => a - b);
  const [low, median, high] = [0, ROUNDS >> 1, ROUNDS - 1].map((i) => times[i]?.toFixed(0));
  console.log(`${name.padEnd(16)} ${median?.padStart(5)} ns  (${low} to ${high})`);
}

console.log(`${cpus()[0]?.model}, Node ${process.version}, ${ROUNDS} rounds of ${CALLS}`);
report("TLB miss", walk);
machine.setFlat(3, SEL.code64User);
cpu.rip = 0x1_0000n;
cpu.set64("helperArgs", 64n);
report("#PF and IRETQ", pageFault);
if (cpu.cpl !== 3 || cpu.faulted || machine.read64(KERNEL_STACK - 48) !== 6n)
  throw new Error(`vector ${VECTOR.PF} did not arrive`);
