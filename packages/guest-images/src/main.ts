#!/usr/bin/env node
// Builds the default guest if it is missing or stale, and says where it is.
import { buildDefaultGuest } from "./build-guest.ts";
import { GuestBuildError } from "./guest-build-error.ts";

try {
  const guest = await buildDefaultGuest({ log: (line) => console.error(`guest: ${line}`) });
  console.error(`guest: ${guest.kernelPath}`);
  console.error(`guest: ${guest.initrdPath}`);
} catch (error) {
  if (!(error instanceof GuestBuildError)) throw error;
  console.error(`tsvm: ${error.message}`);
  process.exitCode = 1;
}
