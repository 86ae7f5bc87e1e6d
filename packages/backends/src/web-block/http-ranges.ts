// Range requests: RFC 9110, "Range Requests". What a browser lets a script see of an answer: Fetch Standard, "CORS protocol".
import { BackendError } from "@tsvm/contracts";

/** What is used of `fetch`. */
export type HttpFetch = (url: string, init: HttpRequest) => Promise<HttpResponse>;

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  readonly headers: Readonly<Record<string, string>>;
  /** With a cache between, requests for one address wait for each other, and parts of two versions may come together. */
  readonly cache: "no-store";
}

/** What is used of a `Response`. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: { cancel(): Promise<void> } | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

export interface RangeClientOptions {
  readonly url: string;
  readonly fetch: HttpFetch;
  /** See `HttpBlockOptions.retryMs`. */
  readonly retryMs: readonly number[];
}

/** One resource, asked for by ranges. */
export interface RangeClient {
  /** Asks how long it is; to be called once, and first. @throws BackendError `BACKEND_OPEN` */
  probe(): Promise<{ readonly length: number; readonly identity: string }>;
  /** Fetches exactly `length` bytes from `offset`. @throws BackendError `BACKEND_READ` */
  fetchRange(offset: number, length: number): Promise<Uint8Array>;
}

/** An answer that has come; `bytes` are those of a part. */
interface Answer extends Pick<HttpResponse, "status" | "headers"> {
  readonly bytes: Uint8Array;
}

/** What tells one version of a resource from the next; null where the server, or CORS, does not tell. */
interface Version {
  readonly etag: string | null;
  readonly lastModified: string | null;
  /** The whole length as a 206 answer tells it. */
  readonly total: number | undefined;
}

export function createRangeClient({ url, fetch, retryMs }: RangeClientOptions): RangeClient {
  let opened: Version | undefined;

  const failure = (code: string, why: string, cause?: unknown): BackendError =>
    new BackendError(code, `cannot ${code === "BACKEND_OPEN" ? "open" : "read"} '${url}': ${why}`, { cause });

  /** Sends a request until an answer is here, whole, that a repetition would not change. */
  async function send(code: string, method: "GET" | "HEAD", range?: string): Promise<Answer> {
    const headers: Record<string, string> = range === undefined ? {} : { Range: range };
    for (let attempt = 0; ; attempt++) {
      const waitMs = retryMs[attempt];
      try {
        const answer = await receive(await fetch(url, { method, headers, cache: "no-store" }));
        if (waitMs === undefined || !isPassing(answer.status)) return answer;
      } catch (cause) {
        if (waitMs === undefined) throw failure(code, NO_ANSWER, cause);
      }
      await new Promise<void>((resolve) => void setTimeout(resolve, waitMs));
    }
  }

  async function lengthByHead(): Promise<number> {
    const answer = await send("BACKEND_OPEN", "HEAD");
    const length = Number(answer.headers.get("Content-Length") ?? Number.NaN);
    if (answer.status !== 200 || !Number.isSafeInteger(length)) {
      throw failure("BACKEND_OPEN", "the server does not tell its size (Content-Range must be exposed)");
    }
    return length;
  }

  async function probe(): Promise<{ readonly length: number; readonly identity: string }> {
    const answer = await send("BACKEND_OPEN", "GET", "bytes=0-0");
    // A file of no bytes has no first byte.
    if (answer.status === 416) return { length: 0, identity: "" };
    if (answer.status === 200) throw failure("BACKEND_OPEN", "the server does not support range requests");
    if (answer.status !== 206) throw failure("BACKEND_OPEN", statusText(answer.status));
    opened = versionOf(answer);
    const length = opened.total ?? (await lengthByHead());
    return { length, identity: identityOf(url, length, opened) };
  }

  async function fetchRange(offset: number, length: number): Promise<Uint8Array> {
    const answer = await send("BACKEND_READ", "GET", `bytes=${offset}-${offset + length - 1}`);
    if (answer.status !== 206) throw failure("BACKEND_READ", statusText(answer.status));
    if (opened !== undefined && differs(opened, versionOf(answer))) {
      throw failure("BACKEND_READ", "it has changed on the server");
    }
    const { bytes } = answer;
    if (bytes.length !== length) throw failure("BACKEND_READ", `${bytes.length} bytes came instead of ${length}`);
    return bytes;
  }

  return { probe, fetchRange };
}

/** Scripts are not told which of these it was. */
const NO_ANSWER = "no answer (is the address right, and may other sites read it?)";

/** Too many requests, or a server in trouble: another attempt may succeed. */
const isPassing = (status: number): boolean => status === 429 || status >= 500;

/** Takes the body of a part. Any other is ended unread: it may be the whole disk. */
async function receive(response: HttpResponse): Promise<Answer> {
  const { status, headers } = response;
  if (status === 206) return { status, headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  await response.body?.cancel().catch(() => {});
  return { status, headers, bytes: new Uint8Array(0) };
}

function versionOf({ headers }: Answer): Version {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(headers.get("Content-Range") ?? "")?.[1];
  return {
    etag: headers.get("ETag"),
    lastModified: headers.get("Last-Modified"),
    total: total === undefined ? undefined : Number(total),
  };
}

const differs = (a: Version, b: Version): boolean =>
  a.etag !== b.etag || a.lastModified !== b.lastModified || a.total !== b.total;

/** Without the address where the server names the version: an image that moves is still the same. */
function identityOf(url: string, length: number, { etag, lastModified }: Version): string {
  const version = etag ?? (lastModified === null ? `at ${url}` : `modified ${lastModified}`);
  return `download of ${length} bytes, ${version}`;
}

function statusText(status: number): string {
  if (status === 404) return "not found (404)";
  if (status === 401 || status === 403) return `not allowed (${status})`;
  return `the server answered ${status}`;
}
