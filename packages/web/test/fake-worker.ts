import type { MachineCalls } from "../src/machine-calls.ts";
import { answerCalls, type MessageEnd } from "../src/remote-calls.ts";
import { createMachineHost } from "../src/worker/machine-host.ts";

/** A worker without a thread: the same host behind the same messages. */
export interface FakeWorker extends Worker {
  readonly isTerminated: boolean;
}

export function createFakeWorker(): FakeWorker {
  const { port1, port2 } = new MessageChannel();
  const tell = answerCalls<MachineCalls>(
    port2 as unknown as MessageEnd,
    createMachineHost((news) => tell(news)),
  );
  port1.start();
  port2.start();
  let isTerminated = false;
  const worker = {
    get isTerminated() {
      return isTerminated;
    },
    postMessage: (message: unknown, transfer: MessagePort[] = []) => port1.postMessage(message, transfer),
    addEventListener: (type: string, listener: never) => type === "message" && port1.addEventListener(type, listener),
    terminate() {
      isTerminated = true;
      port1.close();
    },
  };
  return worker as unknown as FakeWorker;
}
