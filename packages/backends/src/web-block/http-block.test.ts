import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createOverlayBlock } from "../block/overlay-block.ts";
import { openHttpBlock } from "./http-block.ts";

const zeros = new Uint8Array(CONTRACT_SECTORS * 512);
const numbered = Uint8Array.from({ length: 1 << 20 }, (_, i) => i >>> 9);

/** What the server does with the next requests; each test sets its own. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let server: Server;
let url: string;
let ranges: string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.headers.range !== undefined) ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`;
});
afterAll(() => server.close());
beforeEach(() => {
  ranges = [];
});

/** A server as it should be. */
function serve(bytes: Uint8Array, headers: Readonly<Record<string, string>> = { ETag: '"1"' }): typeof answer {
  return ({ method, headers: { range } }, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (method === "HEAD") response.writeHead(200, { "Content-Length": bytes.length }).end();
    else if (from === undefined) response.writeHead(400).end();
    else if (Number(from) >= bytes.length) response.writeHead(416).end();
    else {
      const all = { "Content-Range": `bytes ${from}-${to}/${bytes.length}`, ...headers };
      response.writeHead(206, all).end(bytes.subarray(Number(from), Number(to) + 1));
    }
  };
}

async function failureOf(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  const error = await work.then(
    () => expect.unreachable("no failure"),
    (caught: unknown) => caught as { code: string; message: string },
  );
  expect(error.message).not.toContain("\n");
  return error;
}

testBlockBackend(
  "openHttpBlock under an overlay",
  () => {
    answer = serve(zeros);
    return openHttpBlock({ url }).then(createOverlayBlock);
  },
  () => {
    answer = serve(zeros);
    return openHttpBlock({ url });
  },
);

describe("openHttpBlock", () => {
  it("fetches what is read, in pieces, and not twice", async () => {
    answer = serve(numbered);
    const disk = await openHttpBlock({ url, chunkBytes: 4096 });
    const buf = new Uint8Array(1024);
    for (let i = 0; i < 2; i++) {
      await disk.read(1000, buf);
      expect([buf[0], buf[512]]).toEqual([1000 & 0xff, 1001 & 0xff]);
    }
    expect(ranges).toEqual(["bytes=0-0", "bytes=512000-516095"]);
  });

  it("asks by HEAD for the length when the range's total is hidden", async () => {
    answer = serve(numbered, { "Content-Range": "hidden" });
    expect((await openHttpBlock({ url })).sectorCount).toBe(2048);
  });

  it("knows the image again by what the server says of its version", async () => {
    const identity = async (headers: Readonly<Record<string, string>>, query = ""): Promise<string> => {
      answer = serve(numbered, headers);
      return (await openHttpBlock({ url: url + query })).identity;
    };
    const tagged = await identity({ ETag: '"a"' });
    expect(await identity({ ETag: '"a"' }, "?moved")).toBe(tagged);
    expect(await identity({ ETag: '"b"' })).not.toBe(tagged);
    expect(await identity({})).not.toBe(await identity({}, "?other"));
  });

  it.each<[string, string, string, typeof answer]>([
    ["does not know it", "BACKEND_OPEN", "not found (404)", (_, response) => void response.writeHead(404).end()],
    ["ignores ranges", "BACKEND_OPEN", "does not support range requests", (_, response) => void response.end(numbered)],
    ["gives nothing to us", "BACKEND_OPEN", "not allowed (403)", (_, response) => void response.writeHead(403).end()],
    ["stays in trouble", "BACKEND_OPEN", "answered 503", (_, response) => void response.writeHead(503).end()],
    ["hangs up", "BACKEND_OPEN", "no answer", (request) => void request.socket.destroy()],
    ["has an empty one", "BACKEND_SIZE", "shorter than one sector", serve(new Uint8Array(0))],
    ["has half a sector too much", "BACKEND_SIZE", "not a multiple", serve(new Uint8Array(768))],
  ])("says in one line that the server %s", async (_, code, words, behaviour) => {
    answer = behaviour;
    const error = await failureOf(openHttpBlock({ url, retryMs: [1] }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).toContain(url);
  });

  it("asks again when the connection broke, also in the middle of an answer", async () => {
    const good = serve(numbered);
    answer = good;
    const disk = await openHttpBlock({ url, retryMs: [1, 1], chunkBytes: 512 });
    let requests = 0;
    answer = (request, response) => {
      requests++;
      if (requests === 1) request.socket.destroy();
      else if (requests === 2) {
        response.writeHead(206, { "Content-Length": 512, "Content-Range": "bytes 0-511/1048576", ETag: '"1"' });
        response.write(new Uint8Array(100), () => request.socket.destroy());
      } else good(request, response);
    };
    await disk.read(7, new Uint8Array(512));
    expect(requests).toBe(3);
  });

  it.each<[string, string, typeof answer]>([
    ["has changed", "changed on the server", serve(numbered, { ETag: '"2"' })],
    ["has another length", "changed on the server", serve(numbered.subarray(0, 512 * 1024))],
    ["is gone", "not found", (_, response) => void response.writeHead(404).end()],
    ["comes as a whole all at once", "answered 200", (_, response) => void response.end(numbered)],
  ])("refuses an image that %s since it was opened", async (_, words, later) => {
    answer = serve(numbered);
    const disk = await openHttpBlock({ url, retryMs: [] });
    answer = later;
    const error = await failureOf(disk.read(0, new Uint8Array(512)));
    expect(error.code).toBe("BACKEND_READ");
    expect(error.message).toContain(words);
  });

  it("refuses an answer that is shorter than the range", async () => {
    answer = serve(numbered);
    const disk = await openHttpBlock({ url, retryMs: [], chunkBytes: 512 });
    answer = (_, response) =>
      response.writeHead(206, { "Content-Range": "bytes 0-511/1048576", ETag: '"1"' }).end(new Uint8Array(100));
    expect((await failureOf(disk.read(0, new Uint8Array(512)))).message).toContain("100 bytes came instead of 512");
  });
});
