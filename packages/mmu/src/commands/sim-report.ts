import type { SimulationReport } from "../sim/report.ts";

const WIDTH = 26;

/** A report as lines of a name and a figure; what did not happen is left out. */
export function printReport(report: SimulationReport): string {
  const { accesses, l1Hits, l2Hits, walks, cycles, references, events, memory } = report;
  const total = cycles.tlb + cycles.walks + cycles.guestFaults + cycles.hypervisor;
  const lines = [
    `${report.scheme}, guest pages of ${report.guestPages}${report.scheme === "native" ? "" : ` on host pages of ${report.hostPages}`}`,
    line("accesses", accesses),
    line("L1 TLB hits", l1Hits, share(l1Hits, accesses)),
    line("L2 TLB hits", l2Hits, share(l2Hits, accesses)),
    line("walks", walks, share(walks, accesses)),
    line("references a walk", report.referencesPerWalk.toFixed(2)),
    ...Object.entries(references).map(([whose, count]) => line(`  of ${whose} tables`, count)),
    line("cycles an access", report.cyclesPerAccess.toFixed(2)),
    line("  second-level TLB", cycles.tlb, share(cycles.tlb, total)),
    line("  walks", cycles.walks, share(cycles.walks, total)),
    line("  guest's page faults", cycles.guestFaults, share(cycles.guestFaults, total)),
    line("  hypervisor", cycles.hypervisor, share(cycles.hypervisor, total)),
    ...Object.entries(events).map(([name, count]) => line(spaced(name), count)),
    line("guest pages", memory.pages),
    line("frames of guest tables", memory.tableFrames),
    line("host pages", memory.hostPages),
  ];
  return `${lines.filter((text) => text !== "").join("\n")}\n`;
}

/** Empty for a count of 0. */
function line(name: string, figure: number | string, note = ""): string {
  if (figure === 0) return "";
  return `${name.padEnd(WIDTH)} ${`${figure}`.padStart(14)}${note === "" ? "" : `  ${note}`}`;
}

function share(part: number, whole: number): string {
  return whole === 0 ? "" : `${((100 * part) / whole).toFixed(2)} %`;
}

/** `copyFaults` as `copy faults`. */
function spaced(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
