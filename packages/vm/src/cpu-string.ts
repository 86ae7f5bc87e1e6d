/** True when a CPU of this model string has 64-bit mode: every model but 486, unless the string says otherwise. */
export function hasLongMode(cpu: string): boolean {
  const [model = "", ...features] = cpu.split(",");
  let present = model !== "486";
  for (const feature of features) {
    const match = /^([+-])(?:lm|i64)$|^(?:lm|i64)=(on|off)$/i.exec(feature.trim());
    if (match !== null) present = match[1] === "+" || match[2]?.toLowerCase() === "on";
  }
  return present;
}
