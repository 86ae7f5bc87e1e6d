/** What was replayed, form by form over all rounds, and how much of it agreed. */
import { ENVIRONMENTS } from "./environment.ts";
import type { Form } from "./forms/form.ts";
import type { GroupResult } from "./replay.ts";
import { formLabel, type Vector } from "./vector.ts";

const MODES = Object.values(ENVIRONMENTS).sort((a, b) => a.id - b.id);

interface FormCount {
  readonly family: string;
  vectors: number;
  failed: number;
  /** Vectors by number of environment. */
  readonly byMode: number[];
}

/** Counts of replays. */
export class ReplayCounts {
  readonly #forms = new Map<string, FormCount>();

  /** Adds the result of a group of `vectors`. */
  add(family: string, vectors: readonly Vector[], { label, failures }: GroupResult): void {
    const count = this.#forms.get(label) ?? { family, vectors: 0, failed: 0, byMode: MODES.map(() => 0) };
    count.vectors += vectors.length;
    count.failed += failures.length;
    for (const { environment } of vectors) count.byMode[environment.id] = (count.byMode[environment.id] ?? 0) + 1;
    this.#forms.set(label, count);
  }

  /** Vectors that disagreed. */
  get failed(): number {
    return sum([...this.#forms.values()], ({ failed }) => failed);
  }

  /** Those of `forms` with some vectors, but fewer than `enough`. A form without any would not get more. */
  below(enough: number, forms: readonly Form[]): readonly Form[] {
    return forms.filter((form) => {
      const vectors = this.#forms.get(formLabel(form))?.vectors ?? 0;
      return vectors > 0 && vectors < enough;
    });
  }

  /** One line. */
  summary(): string {
    const all = [...this.#forms.values()];
    const vectors = sum(all, (count) => count.vectors);
    const differ = all.filter(({ failed }) => failed > 0).length;
    return `${vectors - this.failed} of ${vectors} vectors agree; ${differ} of ${all.length} forms differ`;
  }

  /** Families and their sums, as a table in Markdown. */
  table(): string {
    const all = [...this.#forms.values()];
    const lines = [...new Set(all.map(({ family }) => family))].map((family) =>
      line(
        family,
        all.filter((count) => count.family === family),
      ),
    );
    return [
      `| family | forms | fewest vectors a form | ${MODES.map(({ name }) => name).join(" | ")} | vectors | differ |`,
      `|---|--:|--:|${MODES.map(() => "--:").join("|")}|--:|--:|`,
      ...lines,
      line("all", all),
      "",
    ].join("\n");
  }
}

function line(name: string, counts: readonly FormCount[]): string {
  const modes = MODES.map(({ id }) => sum(counts, ({ byMode }) => byMode[id] ?? 0));
  const fewest = Math.min(...counts.map(({ vectors }) => vectors));
  const cells = [name, counts.length, fewest, ...modes, sum(counts, ({ vectors }) => vectors)];
  return `| ${[...cells, sum(counts, ({ failed }) => failed)].join(" | ")} |`;
}

function sum(counts: readonly FormCount[], of: (count: FormCount) => number): number {
  return counts.reduce((total, count) => total + of(count), 0);
}
