import { isBufferedChardev } from "@tsvm/backends";
import type { Chardev } from "@tsvm/contracts";
import type { MachineHost } from "@tsvm/machine-pc";

/** Bytes a chardev's host may be behind before the guest is held. */
const BACKLOG_LIMIT = 64 * 1024;

/**
 * The same host, but a turn of its event loop lasts until no chardev is far behind: a guest that prints faster than its
 * reader reads is slowed down, as by a real line, instead of filling the host's memory.
 *
 * `released` ends the wait early, so that a machine held by a stuck reader can still be paused.
 */
export function paceByOutput(
  host: MachineHost,
  chardevs: readonly Chardev[],
  released: () => Promise<void>,
): MachineHost {
  const buffered = chardevs.filter(isBufferedChardev);
  if (buffered.length === 0) return host;
  return {
    ...host,
    async yieldToHost(): Promise<void> {
      await host.yieldToHost();
      for (const chardev of buffered) {
        if (chardev.backlog > BACKLOG_LIMIT) await Promise.race([chardev.flush(), released()]);
      }
    },
  };
}
