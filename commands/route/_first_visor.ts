/** Where the paths of `skyctl route calc` and `skyctl route find` begin. @module */
import type { Io } from "../../lib/cli/mod.ts";
import { readControlFile } from "../../lib/control/file/mod.ts";
import { parsePublicKey, type PublicKey } from "../../lib/crypto/mod.ts";

/** The visor that `given` names, else the one that runs in `home`. Errors: of the key; `NoVisorError`. */
export async function firstVisor(io: Io, given: string | undefined, home: string): Promise<PublicKey> {
  if (given !== undefined) return parsePublicKey(given);
  const { files } = await io.world();
  return parsePublicKey((await readControlFile(files, home)).publicKey);
}
