// The architecture. Everything else about layers, the table and the graph in ARCHITECTURE.md included, follows from here.

/** One package of packages/. */
export interface Room {
  readonly owns: string;
  readonly doesNotOwn: string;
  /** Workspace packages it may import at run time. */
  readonly imports: readonly string[];
  /** True for the frontends and backends, which may use Node's API. */
  readonly usesNode?: boolean;
  /** True for the frontend of browsers, which may use the DOM. */
  readonly usesDom?: boolean;
  /** Packages of others it may depend on at run time. Empty nearly everywhere, by intent. */
  readonly thirdParty?: readonly string[];
  /** Packages of others that are built into what it ships: development dependencies, so that users install nothing. */
  readonly bundles?: readonly string[];
}

/** Every room by the name of its folder, the lowest first. */
export const ROOMS: Readonly<Record<string, Room>> = {
  contracts: {
    owns: "the seams between packages, the `VmError` family, and how saved state is read back",
    doesNotOwn: "anything that runs",
    imports: [],
  },
  mmu: {
    owns: "page walks in every x86 paging mode: rights, accessed and dirty bits, error codes",
    doesNotOwn: "registers, memory, buses",
    imports: [],
  },
  "wasm-emit": {
    owns: "the WebAssembly binary encoder and the WebAssembly types",
    doesNotOwn: "IR, x86",
    imports: [],
  },
  tcg: {
    owns: "the IR, its builder and checks, lowering to WebAssembly, the soft TLB's layout",
    doesNotOwn: "any guest ISA, page formats, devices",
    imports: ["wasm-emit"],
  },
  memory: {
    owns: "guest RAM over one `WebAssembly.Memory`, the gpa map, address spaces",
    doesNotOwn: "devices, CPU",
    imports: ["contracts"],
  },
  "devices-pc": {
    owns: "the chips of a PC: PIC, I/O APIC, local APIC, PIT, HPET, RTC, i8042, PCI host, ACPI PM, fw_cfg",
    doesNotOwn: "addresses, IRQ numbers, CPU",
    imports: ["contracts"],
  },
  "devices-serial": {
    owns: "the 16550A UART and the debug console",
    doesNotOwn: "addresses, IRQ numbers, CPU",
    imports: ["contracts"],
  },
  "devices-virtio": {
    owns: "virtio 1.x: queues, transports over MMIO and PCI, block, console, entropy and balloon devices",
    doesNotOwn: "addresses, IRQ numbers, CPU, PCI configuration space",
    imports: ["contracts"],
  },
  backends: {
    owns: "the host's side of devices: character streams, the terminal, disk images",
    doesNotOwn: "guests",
    imports: ["contracts"],
    usesNode: true,
  },
  "guest-images": {
    owns: "the default guest, built from Debian packages; the npm package carries the result",
    doesNotOwn: "anything that runs it",
    imports: [],
    usesNode: true,
  },
  "cpu-x86": {
    owns: "state layout, decoder, instruction rows and semantics, exceptions, segments, MSRs, CPUID, the generated interpreter",
    doesNotOwn: "the run loop, devices, routing of guest physical addresses",
    imports: ["tcg", "mmu", "wasm-emit"],
  },
  "machine-pc": {
    owns: "boards: memory map, interrupt routing, firmware tables, loaders",
    doesNotOwn: "which accelerator, which frontend",
    imports: ["contracts", "memory", "devices-pc", "devices-serial", "devices-virtio"],
  },
  "accel-tcg": {
    owns: "`Vm` and `Vcpu` over cpu-x86: run loop, exits, clocking",
    doesNotOwn: "devices, boards",
    imports: ["contracts", "cpu-x86", "mmu", "tcg", "wasm-emit"],
  },
  vm: {
    owns: "the public facade: `createVm(options)`",
    doesNotOwn: "drawing, argv",
    imports: ["contracts", "memory", "devices-virtio", "machine-pc", "accel-tcg", "backends"],
  },
  cli: {
    owns: "argv and the terminal",
    doesNotOwn: "anything a second frontend would need too",
    imports: ["contracts", "vm", "backends", "guest-images"],
    usesNode: true,
    thirdParty: ["iced-x86"],
  },
  web: {
    owns: "the page, and the machine in a Worker that pages talk to",
    doesNotOwn: "anything another frontend would need too",
    imports: ["contracts", "vm", "backends"],
    usesDom: true,
    bundles: ["@xterm/xterm", "@xterm/addon-fit"],
  },
};

/**
 * Orders the rooms so that each stands after all it imports.
 * @throws Error naming the circle, or the unknown room.
 */
export function orderRooms(
  rooms: Readonly<Record<string, { readonly imports: readonly string[] }>>,
): readonly string[] {
  const ordered = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (ordered.has(name)) return;
    if (path.includes(name)) throw new Error(`circle: ${[...path, name].join(" -> ")}`);
    const room = rooms[name];
    if (room === undefined) throw new Error(`${path.at(-1)} imports ${name}, which is not in the table`);
    for (const below of room.imports) visit(below, [...path, name]);
    ordered.add(name);
  };
  for (const name of Object.keys(rooms)) visit(name, []);
  return [...ordered];
}
