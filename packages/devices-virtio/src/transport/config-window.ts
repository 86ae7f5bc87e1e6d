import type { AccessSize } from "@tsvm/contracts";
import type { ModelConfig } from "../device/model.ts";

/** Reads `size` bytes of a device's configuration space; zeros past its end. */
export function readModelConfig(config: ModelConfig, offset: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) {
    const byte = offset + i < config.length ? config.read(offset + i) : 0;
    value |= byte << (8 * i);
  }
  return value >>> 0;
}

/** Writes byte by byte, lowest first; what lies past the end vanishes. */
export function writeModelConfig(config: ModelConfig, offset: number, size: AccessSize, value: number): void {
  for (let i = 0; i < size && offset + i < config.length; i++) config.write(offset + i, (value >>> (8 * i)) & 0xff);
}
