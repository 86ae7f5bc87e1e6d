/**
 * The guest could not be built. The message is one line fit for a terminal and names the remedy.
 *
 * Codes: `GUEST_APT_MISSING` (no apt-get on this host), `GUEST_DOWNLOAD_FAILED` (packages not reachable),
 * `GUEST_PACKAGE_INVALID` (a package does not hold what is needed of it).
 */
export class GuestBuildError extends Error {
  /** Stable identifier; compare this, not the class. */
  readonly code: "GUEST_APT_MISSING" | "GUEST_DOWNLOAD_FAILED" | "GUEST_PACKAGE_INVALID";

  constructor(code: GuestBuildError["code"], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "GuestBuildError";
    this.code = code;
  }
}
