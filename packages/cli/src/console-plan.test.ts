import { expect, test } from "vitest";
import { parseArguments } from "./command-line/parse-arguments.ts";
import { planConsoles } from "./console-plan.ts";

/** `serial kinds / monitor` of a command line. */
function plan(line: string): string {
  const { serial, monitor } = planConsoles(parseArguments(line.split(" ").filter(Boolean)));
  return `${serial.map(({ kind }) => kind).join()} / ${monitor}`;
}

test.each([
  ["", "mon-stdio / mux"],
  ["-nographic", "mon-stdio / mux"],
  ["-display none", "mon-stdio / mux"],
  ["-serial stdio", "stdio / none"],
  ["-serial mon:stdio", "mon-stdio / mux"],
  ["-serial mon:stdio -monitor stdio", "mon-stdio / mux"],
  ["-serial null", "null / none"],
  ["-serial file:x -display none", "file / none"],
  ["-serial file:x -nographic", "file / stdio"],
  ["-serial file:x -serial stdio", "file,stdio / none"],
  ["-monitor none", "stdio / none"],
  ["-monitor stdio", "null / stdio"],
  ["-nographic -monitor none -serial null", "null / none"],
  ["-debugcon stdio", "null / none"],
  ["-nodefaults", "null / none"],
  ["-nodefaults -nographic", "null / none"],
  ["-nodefaults -serial mon:stdio", "mon-stdio / mux"],
])("%s gives %s", (line, expected) => {
  expect(plan(line)).toBe(expected);
});

test.each(["-serial stdio -serial mon:stdio", "-serial stdio -monitor stdio", "-serial stdio -debugcon stdio"])(
  "%s is refused",
  (line) => {
    expect(() => plan(line)).toThrow("standard input and output are taken already; use mon:stdio or file:PATH");
  },
);
