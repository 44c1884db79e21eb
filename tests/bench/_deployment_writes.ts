/** What visors write to several instances of a service while one of those dies, and how it is found again. @module */
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { RequestSigner, type ServiceAnswer, wireTransport } from "../../lib/directory/mod.ts";
import { renderEntry, signEntry } from "../../lib/dmsg/mod.ts";
import { type Asked, Connection, encodeRequest, pairOf, transportOf } from "./_deployment.ts";

/** What callers write to one service, and how it is found again. */
export interface Writes {
  /** As the service names itself. */
  readonly service: string;
  /** Number `count` of a caller, which is to be looked for when it was acknowledged. */
  write(caller: Caller, count: number): Promise<void>;
  /** How many acknowledged ones are not there. */
  lost(callers: readonly Caller[]): Promise<number>;
}

/** One of each service that keeps something. */
export function allWrites(): Writes[] {
  return [new Entries(), new Registrations(), new Bindings(), new Services(), new Heartbeats()];
}

/** A visor: one request after the other, at one instance as long as that answers. */
export class Caller {
  readonly #signers = new Map<KeyPair, RequestSigner>();
  #connection: Connection | undefined;
  /** Requests whose connection broke. */
  retried = 0;
  /** Requests that were sent a third time, for their number. */
  renumbered = 0;
  #sent = 0;

  /** `ports` are those of the service at each instance. */
  constructor(readonly pair: KeyPair, readonly ports: readonly number[], private at: number) {}

  /** Asks with the proof of a key, by default the caller's own. */
  ask(asked: Asked, pair: KeyPair = this.pair): Promise<ServiceAnswer> {
    const signer = this.#signers.get(pair) ?? new RequestSigner(pair);
    this.#signers.set(pair, signer);
    return this.#twice(() =>
      signer.send({
        body: asked.body,
        exchange: (headers) => this.exchange({ ...asked, headers }),
        askNonce: (path) => this.exchange({ method: "GET", path }),
      })
    );
  }

  /** Asks without a proof; before the retry `isDone` may find that the first one was heard. */
  askPlainly(asked: Asked, isDone?: () => Promise<ServiceAnswer | undefined>): Promise<ServiceAnswer> {
    let isRetry = false;
    return this.#twice(async () => {
      const done = isRetry ? await isDone?.() : undefined;
      isRetry = true;
      return done ?? await this.exchange(asked);
    });
  }

  async #twice(once: () => Promise<ServiceAnswer>): Promise<ServiceAnswer> {
    this.#sent = 0;
    try {
      return await once();
    } catch {
      this.retried++;
      this.moveOn();
      return await once();
    }
  }

  /** Of the instance that is asked. */
  get url(): string {
    return `http://127.0.0.1:${this.ports[this.at % this.ports.length]!}`;
  }

  /** To the next instance. */
  moveOn(): void {
    this.close();
    this.at++;
  }

  /** One question and its answer; rejects when the connection breaks. */
  async exchange(asked: Asked): Promise<ServiceAnswer> {
    if (asked.headers !== undefined && ++this.#sent === 3) this.renumbered++;
    this.#connection ??= await Connection.open(this.ports[this.at % this.ports.length]!);
    return await this.#connection.ask(encodeRequest(asked));
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

function expect(answer: ServiceAnswer, status: number): ServiceAnswer {
  if (answer.status !== status) throw new Error(`It answered ${answer.status}: ${answer.text.slice(0, 200)}`);
  return answer;
}

/** An entry with the next sequence each time; at the end the last one is asked for. */
class Entries implements Writes {
  readonly service = "dmsg discovery";
  readonly #sequences = new Map<Caller, number>();

  async write(caller: Caller): Promise<void> {
    const sequence = (this.#sequences.get(caller) ?? -1) + 1;
    const { publicKey, secretKey } = caller.pair;
    const body = renderEntry(signEntry({
      version: "0.0.1",
      sequence: BigInt(sequence),
      timestamp: 1n,
      static: publicKey,
      client: { delegatedServers: [pairOf("server").publicKey] },
      clientType: "visor",
    }, secretKey));
    const asked: Asked = { method: "POST", path: "/dmsg-discovery/entry/", body };
    // As a client does that was not answered: it looks at what is there before it posts again.
    const isDone = async () =>
      await this.#sequenceOf(caller) === sequence ? { status: 200, text: "" } : undefined;
    expect(await caller.askPlainly(asked, isDone), 200);
    this.#sequences.set(caller, sequence);
  }

  async lost(callers: readonly Caller[]): Promise<number> {
    let lost = 0;
    for (const caller of callers) {
      const last = this.#sequences.get(caller);
      if (last !== undefined) lost += Math.max(0, last - await this.#sequenceOf(caller));
    }
    return lost;
  }

  /** -1 without one. */
  async #sequenceOf(caller: Caller): Promise<number> {
    const path = `/dmsg-discovery/entry/${caller.pair.publicKey}`;
    const answer = await caller.exchange({ method: "GET", path });
    return answer.status === 404 ? -1 : Number(/"sequence":([0-9]+)/.exec(expect(answer, 200).text)?.[1]);
  }
}

/** A new transport with each request, ten of a key. At the end all are asked for. */
class Registrations implements Writes {
  readonly service = "transport discovery";
  readonly #acknowledged = new Map<KeyPair, string[]>();
  readonly #keys = new Map<Caller, KeyPair>();

  async write(caller: Caller, count: number): Promise<void> {
    let pair = this.#keys.get(caller);
    if (pair === undefined || count % WRITES_OF_KEY === 0) {
      pair = pairOf(`edge ${count} of ${caller.pair.publicKey}`);
      this.#keys.set(caller, pair);
    }
    const record = transportOf(pair, pairOf(`peer ${count} of ${caller.pair.publicKey}`));
    const body = JSON.stringify([wireTransport(record)]) + "\n";
    expect(await caller.ask({ method: "POST", path: "/v3/transports/", body }, pair), 201);
    this.#acknowledged.set(pair, [...this.#acknowledged.get(pair) ?? [], record.id]);
  }

  async lost([caller]: readonly Caller[]): Promise<number> {
    let lost = 0;
    for (const [{ publicKey }, ids] of this.#acknowledged) {
      const path = `/v3/transports/edge:${publicKey}`;
      const { text } = expect(await caller!.askPlainly({ method: "GET", path }), 200);
      lost += ids.filter((id) => !text.includes(id)).length;
    }
    return lost;
  }
}

/** A new port with each bind; the one that is resolved right after it, mostly at another instance, is that one. */
class Bindings implements Writes {
  readonly service = "address resolver";
  #lost = 0;
  readonly #last = new Map<Caller, number>();

  async write(caller: Caller, count: number): Promise<void> {
    const port = 1 + count % 65_535;
    const body = JSON.stringify({ port: `${port}`, addresses: ["127.0.0.1"] }) + "\n";
    expect(await caller.ask({ method: "POST", path: "/bind/stcpr", body }), 200);
    this.#last.set(caller, port);
    if (count % MOVE_EVERY === 0) caller.moveOn();
    await this.#look(caller);
  }

  async #look(caller: Caller): Promise<void> {
    const path = `/resolve/stcpr/${caller.pair.publicKey}`;
    const answer = await caller.ask({ method: "GET", path });
    const found = answer.status === 404 ? undefined : JSON.parse(expect(answer, 200).text).port;
    if (Number(found) !== this.#last.get(caller)) this.#lost++;
  }

  async lost(callers: readonly Caller[]): Promise<number> {
    for (const caller of callers) if (this.#last.has(caller)) await this.#look(caller);
    return this.#lost;
  }
}

/** A new port with each registration of a service; at the end the last one is asked for. */
class Services implements Writes {
  readonly service = "service discovery";
  readonly #last = new Map<Caller, string>();

  async write(caller: Caller, count: number): Promise<void> {
    const address = `${caller.pair.publicKey}:${1 + count % 65_535}`;
    const body = JSON.stringify({ address, type: "skysocks", version: "v1.3.29" });
    expect(await caller.ask({ method: "POST", path: "/api/services", body }), 200);
    this.#last.set(caller, address);
  }

  async lost(callers: readonly Caller[]): Promise<number> {
    let lost = 0;
    for (const caller of callers) {
      const last = this.#last.get(caller);
      if (last === undefined) continue;
      const path = `/api/services/${caller.pair.publicKey}?type=skysocks`;
      const answer = await caller.askPlainly({ method: "GET", path });
      if (answer.status !== 200 || !answer.text.includes(`"${last}"`)) lost++;
    }
    return lost;
  }
}

/** The first heartbeat of a new visor each time; at the end all are looked for in the list. */
class Heartbeats implements Writes {
  readonly service = "uptime tracker";
  readonly #acknowledged: string[] = [];

  async write(caller: Caller, count: number): Promise<void> {
    const pair = pairOf(`visor ${count} of ${caller.pair.publicKey}`);
    expect(await caller.ask({ method: "GET", path: "/v4/update?version=v1.3.29" }, pair), 200);
    this.#acknowledged.push(pair.publicKey);
  }

  async lost([caller]: readonly Caller[]): Promise<number> {
    const answer = await fetch(`${caller!.url}/uptimes?v=v2`); // it comes in parts
    if (answer.status !== 200) throw new Error(`It answered ${answer.status}`);
    const listed = new Set<string>((await answer.json()).map(({ pk }: { pk: string }) => pk));
    return this.#acknowledged.filter((key) => !listed.has(key)).length;
  }
}

/** Writes until a caller asks another instance. */
const MOVE_EVERY = 8;
/** A transport discovery takes no more of one key at once. */
const WRITES_OF_KEY = 10;
