import type { ConsoleSize } from "./serial-options.ts";

/** Virtio 1.2, "Multiport Device Operation". */
export const VIRTIO_CONSOLE_DEVICE_READY = 0;
export const VIRTIO_CONSOLE_DEVICE_ADD = 1;
export const VIRTIO_CONSOLE_PORT_READY = 3;
export const VIRTIO_CONSOLE_CONSOLE_PORT = 4;
export const VIRTIO_CONSOLE_RESIZE = 5;
export const VIRTIO_CONSOLE_PORT_OPEN = 6;
export const VIRTIO_CONSOLE_PORT_NAME = 7;

/** Port number (32 bits), event and value (16 bits each). */
export const CONTROL_LENGTH = 8;
/** The longest message of ours: a port's name. */
export const CONTROL_MESSAGE_MAX = 128;

export interface ControlMessage {
  readonly port: number;
  readonly event: number;
  readonly value: number;
}

export function encodeControl({ port, event, value }: ControlMessage, payload: Iterable<number> = []): Uint8Array {
  const bytes = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, ...payload);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, port, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  return bytes;
}

/** `bytes`: at least {@link CONTROL_LENGTH}. */
export function decodeControl(bytes: Uint8Array): ControlMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { port: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) };
}

/** What a resize carries: columns, then rows, as the standard has it. */
export function encodeSize({ columns, rows }: ConsoleSize): readonly number[] {
  return [columns & 0xff, columns >>> 8, rows & 0xff, rows >>> 8];
}

/** A name, ended by a zero for drivers that expect one. */
export function encodeName(name: string): readonly number[] {
  return [...Array.from(name, (character) => character.charCodeAt(0)), 0];
}
