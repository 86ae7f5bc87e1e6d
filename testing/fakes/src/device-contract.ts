import type { AccessSize, Device, IoRegion } from "@tsvm/contracts";
import { SnapshotError } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import type { FakeClock } from "./fake-clock.ts";
import { hostileVariants } from "./hostile-values.ts";
import type { ProbeLine } from "./probe-line.ts";
import { createRandom } from "./random.ts";

/** A device with everything it was wired to. */
export interface DeviceUnderTest {
  readonly device: Device;
  /** The clock it was given, if it has one. */
  readonly clock?: FakeClock;
  /** The far ends of the wires that it drives. */
  readonly outputs?: readonly ProbeLine[];
  /** Brings it from power-on to where accesses at random find more to do: a driver that has set it up. */
  readonly prepare?: () => void;
  /** Takes every input wire to low: levels there are state of its neighbours. */
  readonly releaseInputs?: () => void;
  /** Does what no register access can do: input from a chardev, levels on its input wires. */
  readonly disturb?: (random: () => number) => void;
}

export interface DeviceContractOptions {
  /** Fields of the state that `reset` keeps: battery-backed memory, the time of day. */
  readonly keptOverReset?: readonly string[];
  /** Fields that say when something happened, which a reset at another time sets otherwise. */
  readonly timeFields?: readonly string[];
  /**
   * False: what it does next hangs on more than its state and its clock (input that a chardev holds, memory that both
   * instances would have to share), so that two instances need not go on alike. Default true.
   */
  readonly continuesAlike?: boolean;
}

const SIZES: readonly AccessSize[] = [1, 2, 4];
const WINDOW_PART = 0x1000;
/** Long enough for every timer that was left running. */
const LONG_NS = 5_000_000_000;

/** Reads and writes registers at random, also across the end of every window, and lets time pass. What was read is the answer. */
function exercise({ device, clock, disturb }: DeviceUnderTest, random: () => number, rounds: number): number[] {
  const answers: number[] = [];
  for (let i = 0; i < rounds; i++) {
    for (const region of device.regions) {
      const size = SIZES[random() % 3] as AccessSize;
      const offset = random() % Math.min(region.length + 8, 0x1000);
      if (random() % 2 === 0) {
        const value = region.read(offset, size);
        checkFits(region, offset, size, value);
        answers.push(value);
      } else {
        region.write(offset, size, random() % 2 ** (8 * size));
      }
    }
    if (disturb !== undefined && i % 4 === 0) disturb(random);
    clock?.advance(random() % 3_000);
  }
  return answers;
}

function checkFits(region: IoRegion, offset: number, size: AccessSize, value: number): void {
  const fits = Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size);
  if (!fits) throw new Error(`${region.name}: read(${offset}, ${size}) gave ${value}`);
}

/** One that was set up and then used at random. */
function createUsed(create: () => DeviceUnderTest, seed: number, rounds: number): DeviceUnderTest {
  const used = create();
  used.prepare?.();
  exercise(used, createRandom(seed), rounds);
  return used;
}

/** The first {@link WINDOW_PART} bytes of every window and a little past its end: every offset there is, known or not. */
function everyOffset(device: Device, visit: (region: IoRegion, offset: number, size: AccessSize) => void): void {
  for (const region of device.regions) {
    const end = Math.min(region.length, WINDOW_PART) + 4;
    for (let offset = 0; offset < end; offset++) for (const size of SIZES) visit(region, offset, size);
  }
}

const levels = ({ outputs = [] }: DeviceUnderTest): readonly boolean[] => outputs.map(({ level }) => level);

function without(state: unknown, fields: readonly string[] | undefined): unknown {
  if (fields === undefined) return state;
  return Object.fromEntries(Object.entries(state as object).filter(([key]) => !fields.includes(key)));
}

/**
 * What every {@link Device} owes: any access answered, reset to the state of power-on, state that survives
 * `structuredClone` and another instance, and a refusal of forged state that leaves the device as it was.
 */
export function testDevice(name: string, create: () => DeviceUnderTest, options: DeviceContractOptions = {}): void {
  describe(`${name} as a Device`, () => {
    it("answers every access of every size with an unsigned number that fits, and never throws", () => {
      for (const seed of [1, 2, 3]) createUsed(create, seed, 4_000);
    });

    it("answers at every offset, of registers that it has and of those that it has not", () => {
      const { device } = create();
      everyOffset(device, (region, offset, size) => checkFits(region, offset, size, region.read(offset, size)));
      for (const value of [0, 0xffff_ffff]) {
        everyOffset(device, (region, offset, size) => region.write(offset, size, value % 2 ** (8 * size)));
      }
      everyOffset(device, (region, offset, size) => checkFits(region, offset, size, region.read(offset, size)));
    });

    it("comes back to its power-on state by reset", () => {
      const used = createUsed(create, 4, 2_000);
      used.device.reset();
      const ignored = [...(options.keptOverReset ?? []), ...(options.timeFields ?? [])];
      expect(without(used.device.save(), ignored)).toEqual(without(create().device.save(), ignored));
    });

    it("leaves no interrupt, and nothing that makes one later, over a reset", () => {
      const fresh = create();
      const used = createUsed(create, 10, 2_000);
      used.releaseInputs?.();
      used.device.reset();
      expect(levels(used)).toEqual(levels(fresh));
      fresh.clock?.advance(used.clock?.now() ?? 0);
      fresh.device.reset();
      const rises = ({ outputs = [] }: DeviceUnderTest): readonly number[] => outputs.map((line) => line.rises);
      const [usedBefore, freshBefore] = [rises(used), rises(fresh)];
      for (const one of [used, fresh]) one.clock?.advance(LONG_NS);
      const since = (now: readonly number[], before: readonly number[]): number[] =>
        now.map((count, i) => count - (before[i] as number));
      expect(since(rises(used), usedBefore)).toEqual(since(rises(fresh), freshBefore));
      expect(used.clock?.deadlines.length).toBe(fresh.clock?.deadlines.length);
    });

    it("drives its wires as before in another instance that takes its state", () => {
      for (const seed of [11, 12, 13]) {
        const used = createUsed(create, seed, 500);
        const other = createUsed(create, seed + 3, 500);
        other.clock?.advance(Math.max(0, (used.clock?.now() ?? 0) - (other.clock?.now() ?? 0)));
        used.clock?.advance(Math.max(0, (other.clock?.now() ?? 0) - (used.clock?.now() ?? 0)));
        other.device.restore(structuredClone(used.device.save()));
        for (const one of [used, other]) one.releaseInputs?.();
        expect(levels(other)).toEqual(levels(used));
      }
    });

    if (options.continuesAlike ?? true)
      it("goes on in another instance as it would have here", () => {
        const used = createUsed(create, 15, 1_000);
        const other = create();
        other.clock?.advance(used.clock?.now() ?? 0);
        other.device.restore(structuredClone(used.device.save()));
        expect(exercise(other, createRandom(16), 1_000)).toEqual(exercise(used, createRandom(16), 1_000));
        expect(other.device.save()).toEqual(used.device.save());
        expect(levels(other)).toEqual(levels(used));
      });

    it("carries its state into another instance through structuredClone", () => {
      const used = createUsed(create, 5, 2_000);
      const saved = structuredClone(used.device.save());
      const other = create();
      other.clock?.advance(used.clock?.now() ?? 0);
      other.device.restore(saved);
      expect(other.device.save()).toEqual(saved);
      expect(used.device.save()).toEqual(saved);
      expect(readAll(other.device)).toEqual(readAll(used.device));
    });

    it("hands out state that later changes do not reach", () => {
      const used = create();
      const saved = used.device.save();
      const copy = structuredClone(saved);
      exercise(used, createRandom(6), 500);
      expect(saved).toEqual(copy);
    });

    it("refuses state that is not an object, or has a field too many", () => {
      const { device } = create();
      const saved = device.save() as object;
      for (const state of [undefined, null, 1, "x", [], { ...saved, unheardOf: 1 }]) {
        expect(() => device.restore(state)).toThrow(SnapshotError);
      }
    });

    it("refuses forged state before anything has changed, or goes on working with it", () => {
      const used = createUsed(create, 7, 500);
      const saved = structuredClone(used.device.save());
      for (const [where, forged] of hostileVariants(saved)) {
        const refusal = restoreError(used.device, forged);
        if (refusal === undefined) {
          exercise(used, createRandom(8), 8);
          used.device.restore(structuredClone(saved));
        } else if (!(refusal instanceof SnapshotError)) {
          throw new Error(`${where}: threw ${String(refusal)}`, { cause: refusal });
        }
        expect(used.device.save(), where).toEqual(saved);
      }
    });
  });
}

function restoreError(device: Device, state: unknown): unknown {
  try {
    device.restore(state);
  } catch (error) {
    return error;
  }
  return undefined;
}

function readAll(device: Device): number[] {
  return device.regions.flatMap((region) =>
    Array.from({ length: Math.min(region.length, 0x1000) }, (_, offset) => region.read(offset, 1)),
  );
}
