/** A bar for work of which a share is done, 0 to 1; empty where nobody knows. */
export function progressBar(share: number): string {
  if (Number.isNaN(share)) return "";
  const filled = Math.min(30, Math.round(share * 30));
  return `[${"#".repeat(filled)}${".".repeat(30 - filled)}] ${Math.min(100, Math.floor(share * 100))} %`;
}
