// Calls from one side of a message channel to the other, each answered once; and news, which nobody answers.
import { VmError } from "@tsvm/contracts";

/** What is used of a `Worker`, and of the scope inside one. */
export interface MessageEnd {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of functions of every kind.
type Calls<T> = { readonly [K in keyof T]: (...args: any[]) => unknown };

/** The calling side's view of `T`: the same calls, answered by promises. */
export interface RemoteCaller<T extends Calls<T>> {
  /** @throws what the other side threw: a `VmError` keeps its code and its one line. */
  call<K extends keyof T>(
    name: K,
    args: Parameters<T[K]>,
    transfer?: Transferable[],
  ): Promise<Awaited<ReturnType<T[K]>>>;
  /** Rejects every call that is under way, and later ones, with `error`. */
  fail(error: Error): void;
}

/** The answering side: each call as a plain function or an asynchronous one. */
export type CallHandlers<T extends Calls<T>> = {
  readonly [K in keyof T]: (...args: Parameters<T[K]>) => ReturnType<T[K]> | Promise<Awaited<ReturnType<T[K]>>>;
};

type Message =
  | { readonly kind: "call"; readonly id: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly code: string | undefined; readonly message: string }
  | { readonly kind: "news"; readonly news: unknown };

/** Calls the other side of `end`; `onNews` gets what it tells by itself. */
export function createRemoteCaller<T extends Calls<T>>(
  end: MessageEnd,
  onNews: (news: unknown) => void,
): RemoteCaller<T> {
  const open = new Map<number, PromiseWithResolvers<unknown>>();
  let failed: Error | undefined;
  let calls = 0;
  end.addEventListener("message", ({ data }) => {
    const message = data as Message;
    if (message.kind === "news") onNews(message.news);
    if (message.kind !== "answer" && message.kind !== "failure") return;
    const waiting = open.get(message.id);
    open.delete(message.id);
    if (message.kind === "answer") waiting?.resolve(message.value);
    else waiting?.reject(errorFrom(message.code, message.message));
  });
  return {
    call(name, args, transfer) {
      if (failed !== undefined) return Promise.reject(failed);
      const id = calls++;
      const waiting = Promise.withResolvers<unknown>();
      open.set(id, waiting);
      end.postMessage({ kind: "call", id, name: String(name), args } satisfies Message, transfer);
      return waiting.promise as Promise<Awaited<ReturnType<T[typeof name]>>>;
    },
    fail(error) {
      failed = error;
      for (const waiting of open.values()) waiting.reject(error);
      open.clear();
    },
  };
}

/** Answers what comes from the other side of `end`; the function returned tells it news. */
export function answerCalls<T extends Calls<T>>(end: MessageEnd, handlers: CallHandlers<T>): (news: unknown) => void {
  const answer = async (name: string, args: readonly unknown[]): Promise<unknown> =>
    (handlers as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>)[name]?.(...args);
  end.addEventListener("message", ({ data }) => {
    const message = data as Message;
    if (message.kind !== "call") return;
    const { id } = message;
    answer(message.name, message.args).then(
      (value) => end.postMessage({ kind: "answer", id, value } satisfies Message),
      (error: unknown) => end.postMessage({ kind: "failure", id, ...wireError(error) } satisfies Message),
    );
  });
  return (news) => end.postMessage({ kind: "news", news } satisfies Message);
}

/** Errors lose their class on the way; code and message are what counts, and for our own mistakes the stack. */
function wireError(error: unknown): { readonly code: string | undefined; readonly message: string } {
  const { code, message, stack } = error as Partial<VmError>;
  if (typeof code === "string") return { code, message: message ?? code };
  return { code: undefined, message: stack ?? String(error) };
}

const errorFrom = (code: string | undefined, message: string): Error =>
  code === undefined ? new Error(`internal error: ${message}`) : new VmError(code, message);
