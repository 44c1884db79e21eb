/**
 * Somebody on the way to a dmsg server: everything for the server passes through, and may be tampered with.
 *
 *     visor, discovery <-> gate <-> server        the gate has no key of either
 *
 * @module
 */
import { bridge, type Conn, withPrefix } from "../base/mod.ts";
import type { SocketListener, World } from "../runtime/mod.ts";
import { ConnReader, u16Frame } from "../wire/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { SERVER_PORT } from "./_places.ts";

/** What the gate does to handshakes that begin from now on. */
export type Tampering = "none" | "strip offer" | "strip answer" | "cut offer" | "blank answer";

/** A handshake message without its payload: an ephemeral key, and the tag of nothing. */
const BARE_MESSAGE_BYTES = 33 + 16;
/** The ephemeral key in front of each of the first two messages. */
const EPHEMERAL_BYTES = 33;

export class GateNode extends FleetNode {
  readonly #server: string;
  #listener: SocketListener | undefined;
  #accepting: Promise<void> = Promise.resolve();
  readonly #passing = new Set<Promise<void>>();
  readonly #conns = new Set<Conn>();
  tampering: Tampering = "none";

  constructor({ server, ...options }: FleetNodeOptions & { readonly server: string }) {
    super(options);
    this.#server = server;
  }

  protected override async boot(world: World): Promise<void> {
    const listener = await world.network.listen({ hostname: "0.0.0.0", port: SERVER_PORT });
    this.#listener = listener;
    this.#accepting = (async () => {
      for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
        const passed = this.#pass(conn, world).finally(() => this.#passing.delete(passed));
        this.#passing.add(passed);
      }
    })();
  }

  protected override async shutdown(): Promise<void> {
    this.#listener?.close();
    await this.#accepting;
    for (const conn of this.#conns) conn.close();
    await Promise.all(this.#passing);
  }

  /** Both messages of the handshake that carry payloads, then bytes as they are. Never rejects. */
  async #pass(client: Conn, world: World): Promise<void> {
    const ends: Conn[] = [client];
    this.#conns.add(client);
    try {
      const server = await world.network.dial({ hostname: this.#server, port: SERVER_PORT });
      ends.push(server);
      this.#conns.add(server);
      const [fromClient, fromServer] = [new ConnReader(client), new ConnReader(server)];
      await server.write(u16Frame(tampered(await readMessage(fromClient), "offer", this.tampering)));
      await client.write(u16Frame(tampered(await readMessage(fromServer), "answer", this.tampering)));
      await bridge(withPrefix(client, fromClient.rest()), withPrefix(server, fromServer.rest()));
    } catch {
      // One end has gone, as it may at any time; the other one hears it below.
    } finally {
      for (const end of ends) {
        end.close();
        this.#conns.delete(end);
      }
    }
  }
}

async function readMessage(reader: ConnReader): Promise<Uint8Array> {
  const [high, low] = await reader.readExactly(2);
  return await reader.readExactly((high! << 8) | low!);
}

/** What goes on in place of a message. Who has no key can cut or change a payload, but not its tag. */
function tampered(message: Uint8Array, which: "offer" | "answer", tampering: Tampering): Uint8Array {
  if (tampering === `strip ${which}`) {
    // As if there had been no payload: the ephemeral key, and the tag that stood behind the payload.
    const bare = new Uint8Array(BARE_MESSAGE_BYTES);
    bare.set(message.subarray(0, EPHEMERAL_BYTES));
    bare.set(message.subarray(message.length - 16), EPHEMERAL_BYTES);
    return bare;
  }
  if (tampering === `cut ${which}`) return message.slice(0, BARE_MESSAGE_BYTES);
  if (tampering === `blank ${which}`) return message.fill(0, EPHEMERAL_BYTES);
  return message;
}
