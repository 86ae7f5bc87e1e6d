import { type Chardev, ConfigError } from "@tsvm/contracts";

/** Characters of a terminal. */
export interface ConsoleSize {
  readonly columns: number;
  readonly rows: number;
}

/** One port of a virtio-serial device. */
export interface VirtioSerialPort {
  /** The other end. Input waits there until the guest has opened the port and has room for it. */
  readonly chardev: Chardev;
  /** "console": the guest's hvc0, hvc1... "port": a character device, /dev/vport0p1 and so on. Default "port". */
  readonly kind?: "console" | "port";
  /** What guests find the port by: /dev/virtio-ports/NAME. At most 64 characters; none by default. */
  readonly name?: string;
  /** 0 to 30; 0 only for a console. Default: consoles the lowest free from 0 on, ports the lowest free from 1 on. */
  readonly number?: number;
  /** Of a console. Default: the guest is not told. */
  readonly size?: ConsoleSize;
  /** Somebody is at the other end. Default true; see `setConnected`. */
  readonly connected?: boolean;
}

export interface VirtioSerialOptions {
  /** In any order. None: a device with nothing at its ports, which drivers nevertheless find. */
  readonly ports: readonly VirtioSerialPort[];
  /** Default "virtio-serial". Snapshots go by it. */
  readonly name?: string;
}

/** A port with its number and everything filled in. */
export interface ResolvedPort {
  readonly chardev: Chardev;
  readonly isConsole: boolean;
  readonly name: string;
  readonly number: number;
  readonly size: ConsoleSize | undefined;
  readonly connected: boolean;
}

/** Ports of one device: with a control port that is as many queues as MSI-X vectors are cheap for. */
const PORTS_MAX = 31;
const NAME_MAX = 64;

/**
 * The ports with their numbers, in the order given.
 * @throws ConfigError `CONFIG_DEVICE` naming device, port, and what would do.
 */
export function resolvePorts({ ports, name = "virtio-serial" }: VirtioSerialOptions): readonly ResolvedPort[] {
  const refuse = (what: string): never => {
    throw new ConfigError("CONFIG_DEVICE", `${name}: ${what}`);
  };
  const taken = new Set<number>();
  const claim = (number: number): number => {
    if (taken.has(number)) refuse(`two ports have number ${number}`);
    taken.add(number);
    return number;
  };
  for (const { number, kind } of ports) if (number !== undefined) claim(checkNumber(number, kind, refuse));
  const nextFree = (from: number): number => {
    for (let number = from; number < PORTS_MAX; number++) if (!taken.has(number)) return claim(number);
    return refuse(`no more than ${PORTS_MAX} ports`);
  };
  return ports.map((port) => ({
    chardev: port.chardev,
    isConsole: port.kind === "console",
    name: checkName(port.name ?? "", refuse),
    number: port.number ?? nextFree(port.kind === "console" ? 0 : 1),
    size: port.size && checkSize(port.size, refuse),
    connected: port.connected ?? true,
  }));
}

type Refusal = (what: string) => never;

function checkNumber(number: number, kind: VirtioSerialPort["kind"], refuse: Refusal): number {
  if (!Number.isInteger(number) || number < 0 || number >= PORTS_MAX)
    refuse(`port ${number}: must be 0 to ${PORTS_MAX - 1}`);
  if (number === 0 && kind !== "console") refuse("port 0 is kept for a console; nearest: 1");
  return number;
}

function checkName(name: string, refuse: Refusal): string {
  if (name.length > NAME_MAX || !/^[\x21-\x7e]*$/.test(name) || name.includes("/")) {
    refuse(`port name '${name}': must be at most ${NAME_MAX} printable ASCII characters without space and slash`);
  }
  return name;
}

function checkSize(size: ConsoleSize, refuse: Refusal): ConsoleSize {
  const fits = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= 0xffff;
  if (!fits(size.columns) || !fits(size.rows)) refuse(`size ${size.columns}x${size.rows}: must be 1 to 65535 each way`);
  return size;
}
