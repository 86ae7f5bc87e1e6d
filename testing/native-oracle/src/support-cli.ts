/** Writes docs/support.md. */
import { writeFileSync } from "node:fs";
import { SUPPORT_FILE, supportDocument } from "./support-table.ts";

writeFileSync(SUPPORT_FILE, supportDocument());
