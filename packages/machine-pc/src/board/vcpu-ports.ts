import type { Gpa, InterruptPort, IoPort } from "@tsvm/contracts";
import type { IoSpace } from "@tsvm/memory";

/** A vCPU's way to the devices: the board's two spaces. */
export function createIoPort(pio: IoSpace, mmio: IoSpace): IoPort {
  return {
    in: (port, size) => pio.load(port, size),
    out: (port, size, value) => pio.store(port, size, value),
    load: (gpa: Gpa, dst: Uint8Array) => mmio.read(gpa, dst),
    store: (gpa: Gpa, src: Uint8Array) => mmio.write(gpa, src),
  };
}

/** `port`, with `wake` called too whenever it tells the vCPU of an interrupt: the run loop may be asleep. */
export function wakingPort(port: InterruptPort, wake: () => void): InterruptPort {
  return {
    get pending() {
      return port.pending;
    },
    acknowledge: () => port.acknowledge(),
    get nmiPending() {
      return port.nmiPending;
    },
    acknowledgeNmi: () => port.acknowledgeNmi(),
    get tpr() {
      return port.tpr;
    },
    set tpr(value: number) {
      port.tpr = value;
    },
    readMsr: (index) => port.readMsr(index),
    writeMsr: (index, value) => port.writeMsr(index, value),
    timeStampMoved: (ticks) => port.timeStampMoved?.(ticks),
    onRaise: (notify) =>
      port.onRaise(() => {
        notify();
        wake();
      }),
  };
}
