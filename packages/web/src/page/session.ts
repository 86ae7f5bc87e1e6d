import type { MachineStop } from "@tsvm/contracts";
import { createWebMachine, type LoadingProgress, type WebMachine, type WebMachineOptions } from "../index.ts";
import { sizeText } from "./sizes.ts";
import type { StatusView } from "./status-line.ts";

/** One machine at a time, from its start to its end. */
export interface Session {
  readonly machine: WebMachine | undefined;
  /** True from the start of loading until the machine has gone. */
  readonly isOn: boolean;
  start(options: WebMachineOptions): Promise<void>;
  /** Ends the machine; its kept writes are on stable storage when this resolves. */
  powerOff(): Promise<void>;
}

export interface SessionOptions {
  readonly status: StatusView;
  /** Called whenever buttons may have to change. */
  readonly onChange: () => void;
  readonly complain: (error: unknown) => void;
}

/** Milliseconds between two looks at a running machine. */
const LOOK_MS = 500;

export function createSession({ status, onChange, complain }: SessionOptions): Session {
  let machine: WebMachine | undefined;
  let isOn = false;
  let looking: ReturnType<typeof setInterval> | undefined;

  function watch(watched: WebMachine, memoryBytes: number): void {
    const look = async (): Promise<void> => {
      const now = await watched.status();
      if (machine === watched) status.show(now, memoryBytes, performance.now());
    };
    // A look that fails is followed by the end of the machine, which is told by itself.
    looking = setInterval(() => void look().catch(() => {}), LOOK_MS);
    watched.on(({ type }) => {
      if (type !== "stopped") void look().catch(() => {});
      onChange();
    });
  }

  async function end(why: string): Promise<void> {
    const ending = machine;
    clearInterval(looking);
    machine = undefined;
    try {
      await ending?.close();
    } finally {
      isOn = false;
      status.say("off", why);
      onChange();
    }
  }

  function follow(started: WebMachine): void {
    started.run().then(
      (stop) => machine === started && void end(stopText(stop)).catch(complain),
      (error: unknown) => {
        if (machine !== started) return;
        complain(error);
        void end("the machine failed").catch(complain);
      },
    );
  }

  return {
    get machine() {
      return machine;
    },
    get isOn() {
      return isOn;
    },
    async start(options) {
      isOn = true;
      status.say("loading", "loading…");
      onChange();
      try {
        const onLoading = (progress: LoadingProgress): void => status.say("loading", loadingText(progress));
        const created = await createWebMachine({ ...options, onLoading });
        machine = created;
        watch(created, options.memoryBytes ?? 0);
        follow(created);
        onChange();
      } catch (error) {
        await end("");
        throw error;
      }
    },
    powerOff: () => end("powered off"),
  };
}

function loadingText({ what, bytes, totalBytes }: LoadingProgress): string {
  return `loading ${what}: ${sizeText(bytes)}${totalBytes === undefined ? "" : ` of ${sizeText(totalBytes)}`}`;
}

const STOPS: Readonly<Record<MachineStop["reason"], string>> = {
  shutdown: "the guest powered off",
  reset: "the guest asked for a reset",
  crash: "the guest broke down (triple fault)",
  paused: "held",
  "debug-exit": "the guest ended the machine",
  "internal-error": "the machine failed",
};

const stopText = (stop: MachineStop): string =>
  stop.reason === "internal-error" ? `${STOPS[stop.reason]}: ${stop.detail}` : STOPS[stop.reason];
