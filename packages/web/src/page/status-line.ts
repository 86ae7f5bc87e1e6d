import type { WebMachineStatus } from "../index.ts";
import { make } from "./elements.ts";
import { sizeText } from "./sizes.ts";

/** Guest instructions a second below which nobody would call a guest busy. */
const IDLE_MIPS = 2;

/** One look at a machine, and the speed since the look before. */
export interface StatusView {
  /** Shows `status` of a moment `nowMs`, in milliseconds since an arbitrary one. */
  show(status: WebMachineStatus, memoryBytes: number, nowMs: number): void;
  /** Shows a state and a line of text in its place; forgets how fast it was. */
  say(state: string, text: string): void;
}

/** Writes into `line` and `badge` how the machine does. */
export function createStatusView(line: HTMLElement, badge: HTMLElement): StatusView {
  let before: { readonly instructions: number; readonly atMs: number } | undefined;

  const setBadge = (state: string): void => {
    badge.dataset["state"] = state;
    badge.textContent = state;
  };
  const write = (...parts: readonly string[]): void =>
    line.replaceChildren(...parts.map((part) => make("span", { textContent: part })));

  return {
    show(status, memoryBytes, nowMs) {
      const { instructions, guestNs } = status.counters;
      const mips = before === undefined ? 0 : (instructions - before.instructions) / (nowMs - before.atMs) / 1000;
      const isFirst = before === undefined;
      before = { instructions, atMs: nowMs };
      setBadge(status.state === "running" && !isFirst && mips < IDLE_MIPS ? "idle" : status.state);
      write(
        `${status.state === "running" ? mips.toFixed(mips < 10 ? 1 : 0) : 0} MIPS`,
        `${sizeText(memoryBytes)} RAM`,
        ...status.disks.map(({ name, bytes, writes, keptBytes }, index) => {
          const kept = writes === "keep" ? `, ${sizeText(keptBytes)} kept` : writes === "refuse" ? ", read-only" : "";
          return `vd${String.fromCharCode(0x61 + index)} ${shortName(name)} ${sizeText(bytes)}${kept}`;
        }),
        `up ${upTime(guestNs / 1e9)}`,
      );
    },
    say(state, text) {
      before = undefined;
      setBadge(state);
      write(text);
    },
  };
}

const shortName = (name: string): string => decodeURIComponent(name.split("/").at(-1) || name);

function upTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number): string => `${value}`.padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
