export * from "./block-backend-contract.ts";
export * from "./device-contract.ts";
export * from "./fake-chardev.ts";
export * from "./fake-clock.ts";
export * from "./fake-memory.ts";
export * from "./probe-line.ts";
export * from "./tiny-kernels.ts";
