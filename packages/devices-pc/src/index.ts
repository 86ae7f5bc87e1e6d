export { type ApicBus, type ApicBusMember, createApicBus } from "./apic/apic-bus.ts";
export type { ApicTimerState } from "./apic/apic-timer.ts";
export { createIoApic, type IoApic, type IoApicOptions, type IoApicState } from "./apic/io-apic.ts";
export { createLocalApic, type LocalApic } from "./apic/local-apic.ts";
export { DEFAULT_APIC_BASE } from "./apic/local-apic-core.ts";
export type { LocalApicOptions, LocalApicState } from "./apic/local-apic-state.ts";
export { createTscWire, type TscWire } from "./apic/tsc-wire.ts";
export type { I8259State } from "./pic/i8259.ts";
export { createPicPair, type PicPair, type PicPairOptions, type PicPairState } from "./pic/pic-pair.ts";
export { createRtc, type Rtc, type RtcOptions, type RtcState } from "./rtc/rtc.ts";
export { createPit, type Pit, type PitOptions, type PitState } from "./time/pit.ts";
export type { PitChannelState } from "./time/pit-channel.ts";
export {
  createSystemControlPortB,
  type SpeakerCounter,
  type SystemControlPortBOptions,
  type SystemControlPortBState,
} from "./time/system-control-port-b.ts";
