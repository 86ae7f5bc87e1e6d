/** `guest/guest.json` beside the page: what is booted when nothing else is chosen. Paths are relative to the file. */
export interface GuestDescription {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}
