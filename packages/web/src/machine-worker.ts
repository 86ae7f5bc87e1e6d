// What runs inside the Worker.
import type { MachineCalls } from "./machine-calls.ts";
import { answerCalls, type MessageEnd } from "./remote-calls.ts";
import { createMachineHost } from "./worker/machine-host.ts";

const tell = answerCalls<MachineCalls>(
  globalThis as unknown as MessageEnd,
  createMachineHost((news) => tell(news)),
);
