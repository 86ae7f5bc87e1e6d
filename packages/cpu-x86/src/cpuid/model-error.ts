/** A `-cpu` argument that makes no sense. The message is one line fit for a terminal. */
export class CpuModelError extends Error {
  readonly code = "CPU_MODEL";
  constructor(message: string) {
    super(message);
    this.name = "CpuModelError";
  }
}
