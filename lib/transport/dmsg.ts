/**
 * Transports of type dmsg: a stream to port 45, relayed by a dmsg server (protocol: transport, section 6.4).
 *
 * The client is shared and lives on; its streams are encrypted and addressed already.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type DmsgClient, type Listener, TRANSPORT_PORT } from "../dmsg/mod.ts";
import type { LinkHandler, TransportCarrier } from "./carrier.ts";

export interface DmsgCarrierOptions {
  /** Borrowed. */
  readonly client: Pick<DmsgClient, "dial" | "listen">;
}

export function dmsgCarrier({ client }: DmsgCarrierOptions): TransportCarrier {
  let listener: Listener | undefined;
  let accepting: Promise<void> | undefined;
  return {
    type: "dmsg",
    dial: (remote: PublicKey, { signal }): Promise<Conn> =>
      client.dial({ publicKey: remote, port: TRANSPORT_PORT }, { signal }),
    async start(onLink: LinkHandler): Promise<void> {
      listener = client.listen(TRANSPORT_PORT);
      accepting = acceptAll(listener, onLink);
    },
    async close(): Promise<void> {
      listener?.close();
      await accepting;
    },
  };
}

async function acceptAll(listener: Listener, onLink: LinkHandler): Promise<void> {
  for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
    onLink(stream, stream.remote.publicKey);
  }
}
