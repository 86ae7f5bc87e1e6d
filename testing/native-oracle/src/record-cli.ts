/**
 * Records the corpus: `pnpm record [family ...]` writes conformance/vectors/<family>.bin.gz. Every case runs twice, and
 * a case whose results differ (something of the machine showed through) is left out.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FAMILIES } from "./forms/all-forms.ts";
import type { Form } from "./forms/form.ts";
import { generateVectors } from "./generate/generate.ts";
import { runOnHost } from "./native-harness.ts";
import type { VectorInput, VectorOutcome } from "./vector.ts";
import { type RecordedVector, writeVectorFile } from "./vector-file.ts";

const CORPUS = fileURLToPath(new URL("../../../conformance/vectors/", import.meta.url));

function recordFamily(forms: readonly Form[]): {
  readonly file: Uint8Array;
  readonly recorded: number;
  readonly dropped: number;
} {
  const inputs = forms.map((form) => generateVectors(form));
  const flat = inputs.flat();
  const first = runOnHost(flat);
  // Backwards, so that nothing one case leaves behind can look like the result of the next.
  const second = runOnHost(flat.toReversed()).toReversed();
  let at = 0;
  let recorded = 0;
  const groups = forms.map((form, i) => {
    const kept: RecordedVector[] = [];
    for (const input of inputs[i] as readonly VectorInput[]) {
      const outcome = first[at];
      if (outcome && sameOutcome(outcome, second[at])) kept.push({ input, outcome });
      at++;
    }
    recorded += kept.length;
    return { form, recorded: kept };
  });
  return { file: writeVectorFile(groups), recorded, dropped: flat.length - recorded };
}

function sameOutcome(a: VectorOutcome, b: VectorOutcome | undefined): boolean {
  const comparable = (outcome: VectorOutcome | undefined): string =>
    JSON.stringify(outcome, (_, value: unknown) =>
      typeof value === "bigint"
        ? value.toString(16)
        : ArrayBuffer.isView(value)
          ? Array.from(value as Uint8Array, String)
          : value,
    );
  return comparable(a) === comparable(b);
}

const chosen = process.argv.slice(2);
mkdirSync(CORPUS, { recursive: true });
for (const [family, forms] of Object.entries(FAMILIES)) {
  if (chosen.length > 0 && !chosen.includes(family)) continue;
  const { file, recorded, dropped } = recordFamily(forms);
  writeFileSync(`${CORPUS}${family}.bin.gz`, file);
  console.log(`${family}: ${forms.length} forms, ${recorded} vectors, ${dropped} left out, ${file.length} bytes`);
}
