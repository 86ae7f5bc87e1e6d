// The long form of test/fuzz.test.ts: `node --conditions=@tsvm/source fuzz/main.ts [accesses] [first seed]`. A case that
// fails is named by its seed; `fuzz/main.ts 1 SEED` is that case alone, and it goes into the test. `fuzz/main.ts 10000000 0 every`
// reaches every port and every offset of every window, in every size.
import { runFuzzCampaign } from "@tsvm-testing/fakes";
import { fuzzEveryRegister } from "./every-register.ts";
import { fuzzKernelImages } from "./kernel-images.ts";
import { fuzzPciAccesses } from "./pci-accesses.ts";

const [accesses = "1000000", first = String(Date.now() % 1_000_000_000), what = "pci"] = process.argv.slice(2);
const target = { pci: fuzzPciAccesses, every: fuzzEveryRegister, kernels: fuzzKernelImages }[what];
if (target === undefined) throw new Error(`there is no target ${what}, only pci, every and kernels`);
const MEMORY_LIMIT_MIB = 512;

console.log(`${what}: ${accesses} accesses, seeds from ${first} on`);
const report = await runFuzzCampaign(target, { accesses: Number(accesses), firstSeed: Number(first) });
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
const counts = Object.entries(report.counts).map(([what, count]) => `${count} ${what}`);
console.log(`${report.cases} cases, ${counts.join(", ")}: nothing found`);
console.log(`slowest case ${Math.round(report.slowestMs)} ms, peak ${peakMiB} MiB`);
if (peakMiB > MEMORY_LIMIT_MIB) throw new Error(`the host used ${peakMiB} MiB; ${MEMORY_LIMIT_MIB} are allowed`);
