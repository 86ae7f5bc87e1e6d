export { type BuildOptions, buildDefaultGuest } from "./build-guest.ts";
export { type CpioEntry, writeCpio } from "./cpio.ts";
export { type DefaultGuest, defaultGuest, type GuestManifest } from "./default-guest.ts";
export { GuestBuildError } from "./guest-build-error.ts";
export { READY_MARKER } from "./init-script.ts";
