// A web server on another port than the page's, as a disk image's usually is.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ImageServer {
  readonly url: string;
  /** How often a range was asked for. */
  readonly requests: number;
  /** Bytes sent. */
  readonly bytesSent: number;
  /** What the server says of the image's version; another one is another image. */
  version: string;
  stop(): void;
}

/**
 * Serves `image` as /disk.img, by ranges, to pages of any origin; and as /whole.img to who takes it all at once. Of the
 * answer's headers it exposes as much as a simple static host does: nothing.
 */
export async function serveImage(image: Uint8Array): Promise<ImageServer> {
  let requests = 0;
  let bytesSent = 0;
  const server: Server = createServer(({ url, method, headers: { range } }, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Last-Modified", imageServer.version);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (url === "/whole.img") response.end(image);
    else if (url !== "/disk.img") response.writeHead(404).end();
    else if (method === "HEAD") response.writeHead(200, { "Content-Length": image.length }).end();
    else if (from === undefined) response.writeHead(400).end();
    else {
      const part = image.subarray(Number(from), Number(to) + 1);
      requests++;
      bytesSent += part.length;
      response.writeHead(206, { "Content-Range": `bytes ${from}-${to}/${image.length}` }).end(part);
    }
  });
  const imageServer: ImageServer = {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    get requests() {
      return requests;
    },
    get bytesSent() {
      return bytesSent;
    },
    version: "Sat, 28 Nov 2026 10:00:00 GMT",
    stop: () => server.closeAllConnections(),
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return imageServer;
}
