import { ConfigError } from "@tsvm/contracts";
import { suggest } from "./nearest.ts";

/** A CPU model as `-cpu` spells it, taken apart. */
export interface CpuChoice {
  readonly model: string;
  /** In the order given; the last one of a name counts. */
  readonly features: readonly { readonly name: string; readonly on: boolean }[];
}

/** What a CPU model string may name. */
export interface CpuCatalog {
  /** Model name to one line about it. */
  readonly models: Readonly<Record<string, string>>;
  /** Feature names as CPUID documentation and Linux spell them; undefined: unknown to this layer, taken as given. */
  readonly features: readonly string[] | undefined;
}

/**
 * Parses `MODEL[,+FEATURE|,-FEATURE|,FEATURE=on|off]...`.
 * @throws ConfigError `CONFIG_CPU` naming the part that is wrong and the nearest valid one.
 */
export function parseCpuString(text: string, catalog: CpuCatalog): CpuChoice {
  const [model = "", ...parts] = text.split(",");
  const models = Object.keys(catalog.models);
  if (!models.includes(model)) {
    throw new ConfigError("CONFIG_CPU", `cpu: no model '${model}'${suggest(model, models)}`);
  }
  return { model, features: parts.map((part) => parseFeature(part, catalog.features)) };
}

/** The canonical spelling: `MODEL,+a,-b`. */
export function formatCpuChoice(choice: CpuChoice): string {
  return [choice.model, ...choice.features.map(({ name, on }) => `${on ? "+" : "-"}${name}`)].join(",");
}

function parseFeature(
  part: string,
  known: readonly string[] | undefined,
): { readonly name: string; readonly on: boolean } {
  const match = /^([+-])([\w.-]+)$|^([\w.-]+)=(on|off)$/.exec(part);
  if (match === null) {
    const bare = /^[\w.-]+$/.test(part) ? part : "FEATURE";
    throw new ConfigError("CONFIG_CPU", `cpu: malformed feature '${part}'; write '+${bare}' or '-${bare}'`);
  }
  // QEMU spells some names with '_' and takes '-' for it, and the other way round.
  const spelled = (match[2] ?? match[3]) as string;
  const name = known?.find((candidate) => sameName(candidate, spelled)) ?? spelled;
  if (known !== undefined && !known.includes(name)) {
    throw new ConfigError("CONFIG_CPU", `cpu: no feature '${spelled}'${suggest(spelled, known)}`);
  }
  return { name, on: match[1] === "+" || match[4] === "on" };
}

function sameName(a: string, b: string): boolean {
  const plain = (name: string): string => name.toLowerCase().replace(/[-_.]/g, "");
  return plain(a) === plain(b);
}
