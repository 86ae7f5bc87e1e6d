import { expect, test } from "vitest";
import { parseArguments } from "./parse-arguments.ts";

const parse = (...values: readonly string[]) => parseArguments(values);

test.each([
  ["stdio,id=a", { kind: "stdio" }],
  ["null,id=a", { kind: "null" }],
  ["file,id=a,path=x,,y", { kind: "file", path: "x,y", append: false }],
  ["file,path=x,append=on,id=a", { kind: "file", path: "x", append: true }],
  ["pipe,id=a,path=x", { kind: "pipe", path: "x" }],
  ["pty,id=a", { kind: "pty" }],
  ["pty,id=a,path=/tmp/p", { kind: "pty", link: "/tmp/p" }],
  ["socket,id=a,path=s", { kind: "socket", address: { path: "s" }, server: false, wait: false }],
  ["socket,id=a,path=s,server=on", { kind: "socket", address: { path: "s" }, server: true, wait: true }],
  ["socket,id=a,port=0,server,nowait", { kind: "socket", address: { port: 0 }, server: true, wait: false }],
  ["socket,id=a,host=::1,port=7", { kind: "socket", address: { host: "::1", port: 7 }, server: false, wait: false }],
])("-chardev %s", (value, spec) => {
  expect(parse("-chardev", value).chardevs).toEqual([{ id: "a", spec, mux: false }]);
});

test("streams have different names, and may be shared", () => {
  const { chardevs } = parse("-chardev", "stdio,id=a,mux=on", "-chardev", "null,id=b,mux=off");
  expect(chardevs.map(({ mux }) => mux)).toEqual([true, false]);
  expect(() => parse("-chardev", "null,id=a", "-chardev", "pty,id=a")).toThrow("there are two of id 'a'");
  expect(parse("-chardev", "help").listing).toBe("chardev");
});

test.each([
  ["pty", { kind: "pty" }],
  ["pty:/tmp/p", { kind: "pty", link: "/tmp/p" }],
  ["pipe:/tmp/p", { kind: "pipe", path: "/tmp/p" }],
  ["unix:s", { kind: "socket", address: { path: "s" }, server: false, wait: false }],
  ["unix:s,server,nowait", { kind: "socket", address: { path: "s" }, server: true, wait: false }],
  ["tcp::4555,server=on", { kind: "socket", address: { port: 4555 }, server: true, wait: true }],
  ["tcp:localhost:4555", { kind: "socket", address: { host: "localhost", port: 4555 }, server: false, wait: false }],
])("-serial %s", (value, spec) => {
  expect(parse("-serial", value).serial).toEqual([{ spec, withMonitor: false }]);
  expect(parse("-monitor", value).monitor).toEqual({ spec, withMonitor: false });
});

test("a -chardev is meant by its name, and the monitor has two ways to say so", () => {
  const config = parse("-serial", "chardev:c", "-mon", "chardev=m,mode=readline", "-debugcon", "chardev:d");
  expect([config.serial, config.monitor, config.debugConsole]).toEqual([
    [{ chardev: "c" }],
    { chardev: "m" },
    { chardev: "d" },
  ]);
});

test.each([
  ["-chardev", "sdtio,id=a", "unknown backend 'sdtio'; did you mean 'stdio'?"],
  ["-chardev", "stdio", "needs a name: write id=NAME"],
  ["-chardev", "file,id=a", "needs a path: write path=..."],
  ["-chardev", "file,id=a,pth=x", "unknown property 'pth'; did you mean 'path'?"],
  ["-chardev", "stdio,id=a,mux=yes", "unknown mux 'yes'; known: 'on', 'off'"],
  ["-chardev", "socket,id=a", "needs one address"],
  ["-chardev", "socket,id=a,path=x,port=1", "needs one address"],
  ["-chardev", "socket,id=a,path=x,wait=off", "only a server waits"],
  ["-chardev", "socket,id=a,port=65536", "port '65536' must be a number from 1 to 65535"],
  ["-chardev", "socket,id=a,port=0", "port '0' must be a number from 1 to 65535"],
  ["-serial", "tcp:host", "port 'host' must be a number"],
  ["-serial", "unix:s,servr", "unknown property 'servr'; did you mean 'server'?"],
  ["-serial", "unix:", "not a character device; did you mean 'unix:PATH'?"],
  ["-serial", "mon:null", "not a character device"],
  ["-serial", "vc", "not a character device"],
  ["-mon", "mode=readline", "which one? write chardev=ID"],
  ["-mon", "chardev=c,mode=control", "unknown mode 'control'"],
])("%s %s is refused in one line: %s", (option, value, message) => {
  expect(() => parse(option, value)).toThrow(
    expect.objectContaining({ code: "CONFIG_USAGE", message: expect.stringMatching(/^[^\n]+$/) }),
  );
  expect(() => parse(option, value)).toThrow(message);
});
