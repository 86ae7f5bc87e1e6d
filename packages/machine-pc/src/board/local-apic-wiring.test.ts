import type { Clock } from "@tsvm/contracts";
import { createApicBus } from "@tsvm/devices-pc";
import { expect, test } from "vitest";
import { createBoardBus } from "./board-bus.ts";
import { plugLocalApic } from "./local-apic-wiring.ts";

test("a TSC deadline moves with the processor's time-stamp counter", () => {
  const armed: number[] = [];
  const clock: Clock = {
    now: () => 100,
    arm(deadlineNs) {
      armed.push(deadlineNs);
      return { dispose(): void {} };
    },
  };
  const apic = plugLocalApic({
    bus: createBoardBus(),
    apicBus: createApicBus(),
    clock,
    cpu: { tscHz: 1e9 },
    acknowledgeExternal: () => 0xff,
    onInit: () => {},
  });
  // x2APIC on, spurious vector with the APIC enabled, timer in TSC-deadline mode with vector 40h.
  apic.writeMsr(0x1b, 0xfee0_0d00n);
  apic.writeMsr(0x80f, 0x1ffn);
  apic.writeMsr(0x832, 0x4_0040n);
  apic.writeMsr(0x6e0, 1000n);
  expect(armed.at(-1)).toBe(1000);
  apic.timeStampMoved(400);
  expect(armed.at(-1)).toBe(600);
  apic.timeStampMoved(-50);
  expect(armed.at(-1)).toBe(1050);
});
