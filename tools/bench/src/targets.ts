// What tsvm is to reach: ratios of CPU seconds against a peer in one run, at most.
import type { GuestName, PeerName } from "./bench-options.ts";
import { GUEST_MIB } from "./emulators.ts";

/** Most MiB resident at any time. */
export const PEAK_TARGET_MIB: number = GUEST_MIB + 350;

/** Targets against one peer. */
interface PeerTargets {
  readonly boot: number;
  /** Of rows that `rows` does not name. */
  readonly anyRow: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly geometricMean: number;
}

const FLOATING_POINT = { matmul_d: 0.3, matmul_ps: 0.3, nbody: 0.3 };
const SYSTEM = { fork: 1.5, forkexec: 1.5, pipe: 1.5, syscall: 1.5, pgfault: 1.5, signal: 1.5 };
const CHANGING_CODE = { smc_patch: 1, jitgen: 1 };

const TARGETS: Readonly<Record<string, PeerTargets>> = {
  "64 qemu": {
    boot: 1.5,
    anyRow: 2,
    rows: { ...FLOATING_POINT, ...SYSTEM, ...CHANGING_CODE },
    geometricMean: 0.8,
  },
  "32 v86": { boot: 0.4, anyRow: 1, rows: {}, geometricMean: 0.5 },
};

/** The targets for a guest against a peer, if there are any. */
export const targetsFor = (guest: GuestName, peer: PeerName): PeerTargets | undefined => TARGETS[`${guest} ${peer}`];
