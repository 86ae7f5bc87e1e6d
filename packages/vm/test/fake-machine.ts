import type { Device, Machine, MachineStop, Vcpu } from "@tsvm/contracts";

/** A machine whose guest does what the test says: it stops when `stop` is called and never by itself. */
export interface FakeMachine extends Machine {
  /** The guest stops. */
  stop(why: MachineStop): void;
  /** What was done to it, in order. */
  readonly calls: string[];
  readonly devices: Device[];
  instructions: number;
}

export function createFakeMachine(): FakeMachine {
  const calls: string[] = [];
  let end: ((why: MachineStop) => void) | undefined;
  const vcpu = {
    get instructionCount(): number {
      return machine.instructions;
    },
    describe: () => "RAX=0000000000000001",
    counters: { tlbFills: 7 },
  } as unknown as Vcpu;
  const machine: FakeMachine = {
    devices: [],
    vcpus: [vcpu],
    calls,
    instructions: 0,
    run(): Promise<MachineStop> {
      calls.push("run");
      return new Promise((resolve) => {
        end = resolve;
      });
    },
    pause(): void {
      calls.push("pause");
      machine.stop({ reason: "paused" });
    },
    reset(): void {
      calls.push("reset");
    },
    stop(why: MachineStop): void {
      end?.(why);
      end = undefined;
    },
  };
  return machine;
}
