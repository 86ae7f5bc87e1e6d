import { createFakeChardev, createFakeClock, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createDebugConsole } from "./debug-console.ts";

testDevice("createDebugConsole", () => {
  const clock = createFakeClock();
  return { device: createDebugConsole({ chardev: createFakeChardev(), clock }), clock };
});

describe("createDebugConsole", () => {
  it("passes bytes on in a batch and reads as 0xe9", () => {
    const clock = createFakeClock();
    const chardev = createFakeChardev();
    const { regions, flush } = createDebugConsole({ chardev, clock });
    for (const character of "boot") regions[0]?.write(0, 1, character.charCodeAt(0));
    expect(chardev.output).toBe("");
    clock.advance(1_000_000);
    expect(chardev.output).toBe("boot");
    regions[0]?.write(0, 1, 0x21);
    flush();
    expect(chardev.output).toBe("boot!");
    expect(regions[0]?.read(0, 1)).toBe(0xe9);
  });
});
