import { expect, test } from "vitest";
import { createMemoryChardev, type MemoryChardev } from "./memory-chardev.ts";
import { createMonitor } from "./monitor.ts";

function bench(): { readonly chardev: MemoryChardev; readonly ran: string[] } {
  const chardev = createMemoryChardev();
  const ran: string[] = [];
  createMonitor({
    chardev,
    commands: [
      { name: "info registers", help: "show the CPU state", run: () => "RAX=0\nRBX=1\n" },
      { name: "info status", help: "running or not", run: () => "running" },
      {
        name: "quit",
        help: "end",
        ends: true,
        run: () => {
          ran.push("quit");
          return undefined;
        },
      },
    ],
  });
  return { chardev, ran };
}

test("stays silent until used", () => {
  const { chardev } = bench();
  expect(chardev.text()).toBe("");
  chardev.send("q");
  expect(chardev.text()).toBe("(tsvm) q");
});

test("runs a command and ends its lines for a raw terminal", () => {
  const { chardev } = bench();
  chardev.send("  info   registers \r");
  expect(chardev.text()).toContain("\r\nRAX=0\r\nRBX=1\r\n(tsvm) ");
});

test("edits the line", () => {
  const { chardev, ran } = bench();
  chardev.send("nonsense\x15quib\x7ft\n");
  expect(ran).toEqual(["quit"]);
  expect(chardev.text()).toMatch(/\r\n$/);
});

test("backspace stops at the prompt", () => {
  const { chardev } = bench();
  chardev.send("a\x7f\x7f\x7f");
  expect(chardev.text()).toBe("(tsvm) a\b \b");
});

test("lists commands, the longer ones of a prefix, and names an unknown one", () => {
  const { chardev } = bench();
  chardev.send("help\r");
  expect(chardev.takeOutput().length).toBeGreaterThan(0);
  chardev.send("info\r");
  expect(chardev.text()).toContain("info registers");
  expect(chardev.text()).not.toContain("quit");
  chardev.send("frob\r");
  expect(chardev.text()).toContain("unknown command: 'frob' (try 'help')\r\n");
});

test("a command that takes an argument gets it, and without one says how it goes", () => {
  const chardev = createMemoryChardev();
  const commands = [{ name: "balloon", argument: "MIB", help: "memory", run: (mib: string) => `now ${mib}` }];
  createMonitor({ chardev, commands });
  chardev.send("balloon  256 \rballoon\rballoons 1\r");
  expect(chardev.text()).toContain("now 256\r\n");
  expect(chardev.text()).toContain("balloon MIB        memory\r\n");
  expect(chardev.text()).toContain("unknown command: 'balloons 1'");
});
