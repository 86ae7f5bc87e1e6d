export * from "./softmmu/tlb-layout.ts";
