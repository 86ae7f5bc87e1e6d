import { describe, expect, it } from "vitest";
import { extended, X87, X87Machine } from "../../test/x87-machine.ts";

const m = new X87Machine();
const run = (code: string, ...numbers: string[]): readonly string[] => {
  m.reset(...numbers).run(code);
  return [...m.stack, m.flags87];
};

describe("results, as the host's CPU gives them", () => {
  it("of angles", () => {
    expect(run("d9fe", X87.one)).toEqual(["3ffe:d76aa47848677021", "PE C1"]);
    expect(run("d9ff", X87.two)).toEqual(["bffd:d51132ba9b902522", "PE C1"]);
    expect(run("d9f2", X87.half)).toEqual([X87.one, "3ffe:8bda7adf9a3a5219", "PE C1"]);
    expect(run("d9fb", extended(3.5))).toEqual(["bffe:efbba01e08d2f7be", "bffd:b399dbf5d310f9ae", "PE"]);
  });

  it("of arcs", () => {
    expect(run("d9f3", X87.one, X87.one)).toEqual(["3ffe:c90fdaa22168c235", "PE C1"]);
    expect(run("d9f3", X87.minusOne, X87.minusOne)).toEqual(["c000:96cbe3f9990e91a8", "PE C1"]);
    expect(run("d9f3", X87.two, X87.minusOne)).toEqual(["bffd:ed63382b0dda7b45", "PE"]);
    expect(run("d9f3", X87.half, X87.minusOne)).toEqual(["bfff:8db70c975df22363", "PE"]);
  });

  it("of powers and logarithms", () => {
    expect(run("d9f0", X87.half)).toEqual(["3ffd:d413cccfe7799211", "PE"]);
    expect(run("d9f0", "bffe:8000000000000000")).toEqual(["bffd:95f619980c4336f7", "PE"]);
    expect(run("d9f1", "0000:0000000123456789", X87.one)).toEqual(["c00d:8039a0a7eda674c4", "DE PE"]);
    expect(run("d9f9", X87.half, X87.one)).toEqual(["3ffe:95c01a39fbd687a0", "PE C1"]);
    expect(run("d9f9", X87.leastNormal, X87.one)).toEqual(["0001:b8aa3b295c17f0bc", "PE C1"]);
  });
});

describe("pi", () => {
  it("has 66 bits when angles are reduced", () => {
    // The nearest number to pi is 2^-64 above that pi.
    expect(run("d9fe", "4000:c90fdaa22168c235")).toEqual(["bfbf:8000000000000000", "PE C1"]);
    expect(run("d9fe", "403d:c90fdaa22168c235")).toEqual(["3ffb:ff5577743771ae50", "PE"]);
  });
});

describe("angles from 2^63 up", () => {
  it("set C2 and change nothing", () => {
    for (const code of ["d9fe", "d9ff", "d9f2", "d9fb"])
      expect(run(code, "403e:8000000000000000"), code).toEqual(["403e:8000000000000000", "C2"]);
  });
});

describe("special operands", () => {
  it("have exact results", () => {
    expect(run("d9fe", X87.minusZero)).toEqual([X87.minusZero, ""]);
    expect(run("d9ff", X87.zero)).toEqual([X87.one, ""]);
    expect(run("d9f0", X87.minusInfinity)).toEqual([X87.minusOne, ""]);
    expect(run("d9f1", X87.two, X87.three)).toEqual([X87.three, ""]);
    expect(run("d9f1", X87.one, X87.minusOne)).toEqual([X87.minusZero, ""]);
    expect(run("d9f3", X87.one, X87.minusZero)).toEqual([X87.minusZero, ""]);
  });

  it("are invalid or divide by zero", () => {
    expect(run("d9fe", X87.infinity)).toEqual([X87.indefinite, "IE"]);
    expect(run("d9f1", X87.minusOne, X87.one)).toEqual([X87.indefinite, "IE"]);
    expect(run("d9f1", X87.zero, X87.minusOne)).toEqual([X87.infinity, "ZE"]);
    expect(run("d9f1", X87.zero, X87.zero)).toEqual([X87.indefinite, "IE"]);
    expect(run("d9fb", X87.signaling)).toEqual(["7fff:c000000000000001", "7fff:c000000000000001", "IE"]);
  });

  it("underflow and overflow like others", () => {
    expect(run("d9f0", X87.leastDenormal)).toEqual([X87.leastDenormal, "DE UE PE C1"]);
    expect(run("d9f1", X87.leastNormal, X87.greatest)).toEqual([X87.minusInfinity, "OE PE C1"]);
  });
});

describe("the stack", () => {
  it("under- and overflows", () => {
    expect(run("d9f1", X87.one)).toEqual([X87.indefinite, "IE SF"]);
    const full = new Array<string>(8).fill(X87.one);
    expect(run("d9fb", ...full).at(-1)).toBe("IE SF C1");
    expect(m.stack.slice(0, 2)).toEqual([X87.indefinite, X87.indefinite]);
  });
});
