import type { AccessSize, Device } from "@tsvm/contracts";
import { SnapshotError } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import type { FakeClock } from "./fake-clock.ts";
import { hostileVariants } from "./hostile-values.ts";

/** A device with everything it was wired to. */
export interface DeviceUnderTest {
  readonly device: Device;
  /** The clock it was given, if it has one. */
  readonly clock?: FakeClock;
  /** Does what no register access can do: input from a chardev, levels on its input wires. */
  readonly disturb?: (random: () => number) => void;
}

export interface DeviceContractOptions {
  /** Fields of the state that `reset` keeps: battery-backed memory, the time of day. */
  readonly keptOverReset?: readonly string[];
  /** Fields that say when something happened, which a reset at another time sets otherwise. */
  readonly timeFields?: readonly string[];
}

/** Numbers from 0 to 2^32 - 1, the same ones every time (xorshift32). */
function createRandom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

const SIZES: readonly AccessSize[] = [1, 2, 4];

/** Reads and writes registers at random, also across the end of every window, and lets time pass. */
function exercise({ device, clock, disturb }: DeviceUnderTest, random: () => number, rounds: number): void {
  for (let i = 0; i < rounds; i++) {
    for (const region of device.regions) {
      const size = SIZES[random() % 3] as AccessSize;
      const offset = random() % Math.min(region.length + 8, 0x1000);
      if (random() % 2 === 0) {
        const value = region.read(offset, size);
        const fits = Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size);
        if (!fits) throw new Error(`${region.name}: read(${offset}, ${size}) gave ${value}`);
      } else {
        region.write(offset, size, random() % 2 ** (8 * size));
      }
    }
    if (disturb !== undefined && i % 4 === 0) disturb(random);
    clock?.advance(random() % 3_000);
  }
}

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
      for (const seed of [1, 2, 3]) exercise(create(), createRandom(seed), 4_000);
    });

    it("comes back to its power-on state by reset", () => {
      const used = create();
      exercise(used, createRandom(4), 2_000);
      used.device.reset();
      const ignored = [...(options.keptOverReset ?? []), ...(options.timeFields ?? [])];
      expect(without(used.device.save(), ignored)).toEqual(without(create().device.save(), ignored));
    });

    it("carries its state into another instance through structuredClone", () => {
      const used = create();
      exercise(used, createRandom(5), 2_000);
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
      const used = create();
      exercise(used, createRandom(7), 500);
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
