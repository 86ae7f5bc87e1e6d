export type * from "./accelerator.ts";
export type * from "./addresses.ts";
export type * from "./backend.ts";
export type * from "./device.ts";
export * from "./errors.ts";
export type * from "./machine.ts";
export type * from "./memory.ts";
export * from "./register-width.ts";
export * from "./state-fields.ts";
