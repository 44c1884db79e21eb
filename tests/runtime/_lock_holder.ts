/** Takes the lock of a file, says so, and holds it until it is killed. @module */
import { systemWorld } from "../../lib/runtime/mod.ts";

const lock = await systemWorld().files.tryLock(Deno.args[0]!);
console.log(lock === undefined ? "refused" : "held");
setInterval(() => {}, 1_000);
