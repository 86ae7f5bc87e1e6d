import { expect, test } from "vitest";
import { parseArguments } from "./command-line/parse-arguments.ts";
import { planConsoles } from "./console-plan.ts";

const planOf = (line: string) => planConsoles(parseArguments(line.split(" ").filter(Boolean)));

/** Every stream with the lines at it: `stdio=serial0+monitor`. */
function plan(line: string): string {
  return planOf(line)
    .chardevs.map(({ spec, lines }) => `${spec.kind}=${lines.join("+")}`)
    .join(" ");
}

test.each([
  ["", "stdio=serial0+monitor"],
  ["-nographic", "stdio=serial0+monitor"],
  ["-display none", "stdio=serial0+monitor"],
  ["-serial stdio", "stdio=serial0"],
  ["-serial mon:stdio", "stdio=serial0+monitor"],
  ["-serial mon:stdio -monitor stdio", "stdio=serial0+monitor"],
  ["-serial null", "null=serial0"],
  ["-serial file:x -display none", "file=serial0"],
  ["-serial file:x -nographic", "file=serial0 stdio=monitor"],
  ["-serial file:x -serial stdio", "file=serial0 stdio=serial1"],
  ["-monitor none", "stdio=serial0"],
  ["-monitor stdio", "null=serial0 stdio=monitor"],
  ["-nographic -monitor none -serial null", "null=serial0"],
  ["-debugcon stdio", "null=serial0 stdio=debugcon"],
  ["-nodefaults", "null=serial0"],
  ["-nodefaults -nographic", "null=serial0"],
  ["-nodefaults -serial mon:stdio", "stdio=serial0+monitor"],
  ["-monitor unix:m,server,nowait", "stdio=serial0 socket=monitor"],
  ["-serial mon:unix:s,server", "socket=serial0+monitor"],
  ["-chardev pty,id=p -serial chardev:p -debugcon pipe:x", "pty=serial0 pipe=debugcon"],
  ["-chardev null,id=p -nographic", "null= stdio=serial0+monitor"],
  ["-chardev stdio,id=c,mux=on -serial chardev:c -mon chardev=c", "stdio=serial0+monitor"],
  ["-chardev stdio,id=c -device virtconsole,chardev=c -nographic", "stdio=c null=serial0"],
])("%s gives %s", (line, expected) => {
  expect(plan(line)).toBe(expected);
});

test("devices share a stream under names of their own", () => {
  const { devices, deviceLines, chardevs } = planOf(
    "-chardev stdio,id=c,mux=on -device virtconsole,chardev=c -device virtio-rng-pci -device virtserialport,chardev=c",
  );
  expect(devices.map(({ properties }) => properties["chardev"])).toEqual(["c", undefined, "c:virtserialport.1"]);
  expect([deviceLines, chardevs[0]?.lines]).toEqual([
    ["c", "c:virtserialport.1"],
    ["c", "c:virtserialport.1"],
  ]);
});

test.each([
  ["-serial stdio -serial mon:stdio", "standard input and output are taken already; use mon:stdio or file:PATH"],
  ["-serial stdio -monitor stdio", "standard input and output are taken already; use mon:stdio or file:PATH"],
  ["-serial stdio -debugcon stdio", "standard input and output are taken already; use mon:stdio or file:PATH"],
  ["-serial chardev:d -chardev null,id=c", "-serial chardev:d: there is no -chardev of id 'd'; did you mean 'c'?"],
  ["-device virtconsole,chardev=d", "-device virtconsole,chardev=d: there is no -chardev of id 'd'"],
  [
    "-chardev pty,id=c -serial chardev:c -device virtconsole,chardev=c",
    "-chardev id=c: serial0 and c:virtconsole.1 are at it; write mux=on to share it",
  ],
])("%s is refused", (line, message) => {
  expect(() => plan(line)).toThrow(message);
});
