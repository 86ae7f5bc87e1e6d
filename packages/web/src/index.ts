export type { DiskStatus, ExportProgress, WebMachineStatus } from "./machine-calls.ts";
export type { BootSource, DiskWrites, LoadingProgress, WebDisk, WebMachineOptions } from "./machine-options.ts";
export { createMachineWorker, createWebMachine, exportWebDisk, overlayNameOf, type WebMachine } from "./web-machine.ts";
