/** How `deno` runs this project's program from any folder. @module */
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Types are checked elsewhere. */
export function skyctlArguments(): string[] {
  return ["run", "-A", "--no-check", `--config=${config}`, main];
}
