import { BusError, type Gpa, type GuestMemory } from "@tsvm/contracts";

/** `memory` as a function reaches it: not at all while it is not bus master, as if nothing answered on the bus. */
export function gateByMaster(memory: GuestMemory, isMaster: () => boolean): GuestMemory {
  const check = (gpa: Gpa): void => {
    if (!isMaster()) throw new BusError("BUS_RANGE", `${gpa.toString(16)}: the function is not bus master`);
  };
  return {
    read(gpa: Gpa, dst: Uint8Array): void {
      check(gpa);
      memory.read(gpa, dst);
    },
    write(gpa: Gpa, src: Uint8Array): void {
      check(gpa);
      memory.write(gpa, src);
    },
    view: (gpa, length) => (isMaster() ? memory.view(gpa, length) : undefined),
  };
}
