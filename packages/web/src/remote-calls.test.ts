import { VmError } from "@tsvm/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerCalls, createRemoteCaller, type MessageEnd, type RemoteCaller } from "./remote-calls.ts";

interface Calls {
  double(value: number): number;
  fail(code: string | undefined): void;
}

let ports: readonly [MessagePort, MessagePort];
let remote: RemoteCaller<Calls>;
let tell: (news: unknown) => void;
const news: unknown[] = [];

beforeEach(() => {
  const { port1, port2 } = new MessageChannel();
  ports = [port1, port2];
  news.length = 0;
  remote = createRemoteCaller<Calls>(port1 as unknown as MessageEnd, (one) => news.push(one));
  tell = answerCalls<Calls>(port2 as unknown as MessageEnd, {
    double: async (value) => value * 2,
    fail(code) {
      throw code === undefined ? new Error("a mistake of ours") : new VmError(code, "one line");
    },
  });
  port1.start();
  port2.start();
});
afterEach(() => {
  for (const port of ports) port.close();
});

describe("calls between a page and its worker", () => {
  it("are answered each by its own, in whatever order", async () => {
    const answers = await Promise.all([
      remote.call("double", [1]),
      remote.call("double", [2]),
      remote.call("double", [3]),
    ]);
    expect(answers).toEqual([2, 4, 6]);
  });

  it("carry an error with its code and its line, and not what was fine", async () => {
    await expect(remote.call("fail", ["CONFIG_FILE"])).rejects.toMatchObject({
      code: "CONFIG_FILE",
      message: "one line",
    });
    expect(await remote.call("double", [4])).toBe(8);
  });

  it("name our own mistakes as such, with the place", async () => {
    const error = await remote.call("fail", [undefined]).catch((caught: unknown) => caught);
    expect(error).not.toHaveProperty("code");
    expect((error as Error).message).toMatch(/^internal error: Error: a mistake of ours\n\s+at /);
  });

  it("are all rejected when the other side is gone, and stay so", async () => {
    const underWay = remote.call("double", [1]);
    remote.fail(new Error("gone"));
    await expect(underWay).rejects.toThrow("gone");
    await expect(remote.call("double", [1])).rejects.toThrow("gone");
  });

  it("do not stand in the way of news", async () => {
    tell({ type: "paused" });
    await remote.call("double", [1]);
    expect(news).toEqual([{ type: "paused" }]);
  });
});
