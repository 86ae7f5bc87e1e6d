import type { BlockBackend } from "@tsvm/contracts";

/** A disk image that is only read, and that can tell whether it is the one that was there before. */
export interface IdentifiedBlock extends BlockBackend {
  /** The same text for the same contents, as far as the source tells; what is kept over an image is bound to it. */
  readonly identity: string;
}
