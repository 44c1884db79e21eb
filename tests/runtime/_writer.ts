/** Writes a line to the place that it is given, under its lock, as `conf gen -o` does. For a test. @module */
import { systemWorld } from "../../lib/runtime/mod.ts";

const { files } = systemWorld();
const lock = await files.tryLock(Deno.args[0]!);
await files.write(Deno.args[0]!, new TextEncoder().encode("written\n"));
await lock!.release();
