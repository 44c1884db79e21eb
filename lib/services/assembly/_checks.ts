/** What can be seen to be wrong on this machine before anything is made. @module */
import type { Log } from "../../base/mod.ts";
import { KEPT_KEY_HINT, readKeyPair } from "../../crypto/mod.ts";
import { AddressInUseError, type World } from "../../runtime/mod.ts";
import { InvalidServiceSettingError } from "../hosting/mod.ts";
import { REGISTRATION_BEAT_MS } from "../uptimes/mod.ts";
import { collision, type Listening, type PlannedService } from "./plan.ts";

/**
 * Reads every key file before the first is made: a broken one leaves everything as it was. Refuses two services of one
 * key, which would end each other's sessions at the dmsg servers. Errors: `KeyFileError`, `InvalidServiceSettingError`,
 * those of the files.
 */
export async function checkKeys(
  world: Pick<World, "files">,
  services: readonly PlannedService[],
): Promise<void> {
  const owners = new Map<string, string>();
  for (const { name, type, mode, key } of services) {
    if (key === undefined) continue;
    const read = "file" in key
      ? (await readKeyPair(world, key.file, { hint: KEPT_KEY_HINT }))?.publicKey
      : key.secretKey.publicKey;
    if (mode === "http" && type !== "dmsg-server") continue; // nobody is told its key
    const identity = read ?? ("file" in key ? world.files.absolute(key.file) : "");
    const other = owners.get(identity);
    if (other !== undefined) {
      throw new InvalidServiceSettingError(
        `${other} and ${name} have the same key${"file" in key ? `, that of ${key.file}` : ""}`,
        { hint: "give each a keyfile of its own: with one key they end each other's sessions" },
      );
    }
    owners.set(identity, name);
  }
}

/**
 * Takes every place at once, and gives them back: another program's listener is told with the service that wanted its
 * place, and two services whose hosts are one by another name are told, too. Errors: `AddressInUseError` with the hint
 * of that place, else `hint`; `InvalidServiceSettingError`, those of the network.
 */
export async function checkPorts(
  { network }: Pick<World, "network">,
  all: readonly Listening[],
  hint: string,
): Promise<void> {
  const held: { readonly one: Listening; readonly socket: { close(): void } }[] = [];
  const take = async (one: Listening) => {
    const { protocol, address } = one;
    held.push({
      one,
      socket: protocol === "TCP" ? await network.listen(address) : await network.datagrams(address),
    });
  };
  try {
    for (const one of all) {
      if (one.address.port === 0) continue;
      try {
        await take(one);
      } catch (error) {
        if (!(error instanceof AddressInUseError)) throw error;
        const { who, protocol, address } = one;
        const others = held.filter((each) => each.one.address.port === address.port);
        for (const other of others) { // until one of them has given back what is wanted
          other.socket.close();
          if (await take(one).then(() => true, () => false)) throw collision(one, other.one);
        }
        throw new AddressInUseError(address, {
          cause: new Error(`${who} was to listen there (${protocol})`),
          hint: one.hint ?? hint,
        });
      }
    }
  } finally {
    for (const { socket } of held) socket.close();
  }
}

/** Says once that what visors renew later than it ends is found for a part of the time. */
export function warnOfShortLives(log: Log, services: readonly PlannedService[]): void {
  const short = services.filter(({ type, settings: { entryTimeoutMs = 0 } }) =>
    RENEWED.has(type) && entryTimeoutMs > 0 && entryTimeoutMs <= REGISTRATION_BEAT_MS
  );
  if (short.length === 0) return;
  log.warn("Entries end before visors renew them, each 90 s, so that others do not find them in between", {
    services: short.map(({ name, settings }) => `${name} ${settings.entryTimeoutMs! / 1_000} s`).join(", "),
  });
}

/** Services whose entries visors renew. */
const RENEWED: ReadonlySet<string> = new Set([
  "transport-discovery",
  "address-resolver",
  "service-discovery",
]);
