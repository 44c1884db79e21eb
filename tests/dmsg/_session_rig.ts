/** Sessions over connections in memory: a relay of ours with clients played by the test, or the other way round. @module */
import assert from "node:assert/strict";
import { type Conn, Ledger, type LogRecord, logTo } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, type PublicKey, sha256 } from "../../lib/crypto/mod.ts";
import { PortTable } from "../../lib/dmsg/_port_table.ts";
import { relayStream } from "../../lib/dmsg/_relay.ts";
import { respondToStream } from "../../lib/dmsg/_respond.ts";
import {
  acceptSession,
  connectSession,
  type DmsgStream,
  encodeStreamRequest,
  Listener,
  type Session,
  type SignedObject,
  signObject,
  type StreamRequest,
} from "../../lib/dmsg/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { concat, statics } from "./_recording.ts";
import { widePair } from "./_wires.ts";

export const mallory = keyPairFromSeed(new TextEncoder().encode("mallory"));

/** Both ends of one session, and the streams that the other end opened, oldest first. */
export interface Joined {
  /** The end of the client. */
  readonly client: Session;
  /** The end of the server. */
  readonly server: Session;
  /** Streams that came to the end that the test plays. */
  readonly incoming: YamuxStream[];
}

export interface AttachOptions {
  /** Where the server sees the client. */
  readonly hostname?: string;
  readonly server?: KeyPair;
}

/** How a stream came to its end. */
export interface Outcome {
  readonly bytes: Uint8Array;
  readonly end: "end" | "reset";
}

export class SessionRig {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger, wallMs: 1_795_245_150_000 });
  readonly random = countingRandom();
  readonly records: LogRecord[] = [];
  readonly log = logTo((record) => this.records.push(record), () => this.clock.wallMs());
  readonly world = { clock: this.clock, ledger: this.ledger, random: this.random };
  readonly ports = new PortTable();
  readonly #relayed = new Map<PublicKey, Session>();
  readonly #aborter = new AbortController();
  readonly #working = new Set<Promise<void>>();
  readonly #sessions: Session[] = [];

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Tasks of ours, relays and answers, that have not ended. */
  get working(): number {
    return this.#working.size;
  }

  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  /** A client, played by the test, with a session at our relay. */
  attach(client: KeyPair, options: AttachOptions = {}): Promise<Joined> {
    const server = options.server ?? statics.server;
    return this.#join(client, server, options, {
      onServerStream: (stream, from) =>
        this.#track(relayStream(stream, from, {
          clock: this.clock,
          local: server,
          log: this.log,
          session: (key) => this.#relayed.get(key),
          signal: this.signal,
        })),
      onEstablished: (session) => this.#relayed.set(session.remote, session),
    });
  }

  /** A client of ours, which answers streams by its port table, with a session at a server played by the test. */
  serve(client: KeyPair, options: AttachOptions = {}): Promise<Joined> {
    return this.#join(client, options.server ?? statics.server, options, {
      onClientStream: (stream, session) =>
        this.#track(respondToStream(stream, session, {
          world: this.world,
          local: client,
          ports: this.ports,
          log: this.log,
          readIdleMs: 120_000,
          signal: this.signal,
        })),
    });
  }

  listen(port: number): Listener {
    const listener = new Listener(port, (closed) => this.ports.unbind(closed));
    this.ports.bind(listener);
    return listener;
  }

  /** Ends what the relays and answers wait for. */
  abort(): void {
    this.#aborter.abort(new DOMException("The test is over", "AbortError"));
  }

  /** The newest reason in the log, and nothing else in it since the last call. */
  takeCause(): string {
    const causes = this.records.splice(0).map(({ fields }) => String(fields.cause));
    assert.equal(causes.length, 1, `one refusal in the log: ${causes.join(" | ")}`);
    return causes[0]!;
  }

  /** Everything until the stream ends. The stream must come to its end without time passing. */
  async outcome(stream: Conn): Promise<Outcome> {
    const pieces: Uint8Array[] = [];
    let end: Outcome["end"] | undefined;
    const reading = (async () => {
      try {
        for (let view = await stream.read(); view !== null; view = await stream.read()) {
          pieces.push(view.slice());
        }
        end = "end";
      } catch {
        end = "reset";
      }
    })();
    await this.settle();
    assert.ok(end !== undefined, "the stream has ended");
    await reading;
    return { bytes: concat(pieces), end };
  }

  /** Ends all sessions; then nothing may be alive. */
  async end(): Promise<void> {
    this.abort();
    for (const listener of this.ports.listeners()) listener.close();
    for (const session of this.#sessions) session.close();
    await this.settle();
    await Promise.all(this.#sessions.map(({ closed }) => closed));
    await Promise.all(this.#working);
    await this.settle();
    assert.equal(this.ports.listeners().length, 0);
    assertNothingAlive(this.ledger);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }

  async #join(
    client: KeyPair,
    server: KeyPair,
    { hostname = "127.0.0.1" }: AttachOptions,
    { onServerStream, onClientStream, onEstablished }: {
      onServerStream?: (stream: YamuxStream, session: Session) => void;
      onClientStream?: (stream: YamuxStream, session: Session) => void;
      onEstablished?: (session: Session) => void;
    },
  ): Promise<Joined> {
    const [near, far] = widePair(this.ledger);
    const incoming: YamuxStream[] = [];
    const keep = (stream: YamuxStream) => void incoming.push(stream);
    const { world, log } = this;
    const accepting = acceptSession(far, { hostname, port: 50_000 }, {
      world,
      log,
      local: server,
      onStream: onServerStream ?? keep,
    });
    const connecting = connectSession(near, { hostname: "127.0.0.1", port: 8081 }, server.publicKey, {
      world,
      log,
      local: client,
      onStream: onClientStream ?? keep,
    });
    await this.settle(); // the hybrid: nobody keeps quiet after it
    const joined = { server: await accepting, client: await connecting, incoming };
    onEstablished?.(joined.server);
    this.#sessions.push(joined.client, joined.server);
    return joined;
  }
}

/** Runs `test` with a rig, and ends it. */
export async function withRig(test: (rig: SessionRig) => Promise<void>): Promise<void> {
  const rig = new SessionRig();
  await test(rig);
  await rig.end();
}

/** Deterministic bytes, and how often some were drawn. */
export function countingRandom(): Random & { draws: number } {
  return {
    draws: 0,
    bytes(length) {
      this.draws++;
      const bytes = new Uint8Array(length);
      for (let offset = 0; offset < length; offset += 32) {
        bytes.set(
          sha256(new TextEncoder().encode(`${this.draws} ${offset}`)).subarray(0, length - offset),
          offset,
        );
      }
      return bytes;
    },
  };
}

/** A request as a client would sign it, with changes. Without changes it is valid. */
export function signedRequest(
  source: KeyPair,
  destination: PublicKey,
  changes: Partial<StreamRequest> = {},
  signer: KeyPair = source,
): SignedObject {
  return signObject(
    encodeStreamRequest({
      timestamp: 1_795_245_150_000_000_000n,
      source: { publicKey: source.publicKey, port: 49_153 },
      destination: { publicKey: destination, port: 1000 },
      ipInfo: false,
      noiseMessage: new Uint8Array(0),
      ...changes,
    }),
    signer.secretKey,
  );
}

/** The address `undefined` stands for the null key, which an honest writer never leaves out. */
export const NULL_KEY = undefined as unknown as PublicKey;

/** The stream that a listener holds by now. */
export async function accepted(listener: Listener): Promise<DmsgStream> {
  const stream = await listener.accept();
  assert.ok(stream !== null);
  return stream;
}
