/**
 * Three processes of a service on one Redis, a transport discovery and then an address resolver, 16 callers, and
 * `kill -9` of one of the three under load. A caller whose connection breaks asks the next instance, once, as a visor
 * does: with the number that it is told there. What then fails is an error. Every acknowledged write is looked for
 * at the instances that are left.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { type KeyPair } from "../../lib/crypto/mod.ts";
import { RequestSigner, type ServiceAnswer, wireTransport } from "../../lib/directory/mod.ts";
import { redisMissing, TestRedis } from "../support/redis.ts";
import {
  type Asked,
  Connection,
  encodeRequest,
  pairOf,
  ServicesProcess,
  transportOf,
} from "./_deployment.ts";
import { fill, routesOf, saturate } from "./_deployment_routes.ts";
import { percentile } from "./_dmsg_network.ts";

const INSTANCES = 3;
const CALLERS = 16;
const KILL_AFTER_MS = 2_000;
const GO_ON_MS = 3_000;

export default async function severalInstancesBench(): Promise<BenchRow[]> {
  if (Deno.build.os !== "linux") return [];
  if (redisMissing !== undefined) {
    console.error(`several instances: skipped, ${redisMissing}`);
    return [];
  }
  return [
    ...await bench(
      "transport-discovery",
      ["--requests-per-minute", "0"],
      (callers) => new Registrations(callers),
    ),
    ...await bench("address-resolver", ["--test-mode", "--no-udp"], () => new Bindings()),
  ];
}

/** What callers write, and how it is found again. */
interface Writes {
  /** Number `count` of a caller, which is to be looked for when it was acknowledged. */
  write(caller: Caller, count: number): Promise<void>;
  /** How many acknowledged ones are not there. */
  lost(callers: readonly Caller[]): Promise<number>;
}

async function bench(
  service: string,
  args: readonly string[],
  writesOf: (callers: readonly Caller[]) => Writes,
): Promise<BenchRow[]> {
  await using redis = await TestRedis.start();
  await using stack = new AsyncDisposableStack();
  const instances: ServicesProcess[] = [];
  for (let at = 0; at < INSTANCES; at++) {
    const all = [service, "--addr", "127.0.0.1:0", "--redis", redis.url, ...args];
    instances.push(stack.use(await ServicesProcess.start(all, (line) => line.includes(" on http://"))));
  }
  const title = service.replace("-", " ");
  const visors = Array.from({ length: CALLERS }, (_, at) => pairOf(`bench visor ${at}`));
  const routes = routesOf(visors).filter((route) => route.service === title);
  await fill(instances, routes, CALLERS);
  const rows: BenchRow[] = [];
  for (const route of routes) rows.push(...await saturate("three on one Redis", instances, route));
  const ports = instances.map((instance) => instance.port(title));
  const callers = Array.from({ length: CALLERS }, (_, at) => new Caller(pairOf(`caller ${at}`), ports, at));
  const writes = writesOf(callers);
  let isOver = false;
  let acknowledged = 0;
  const errors: unknown[] = [];
  const tookMs: number[] = [];
  const startedMs = performance.now();
  const working = callers.map(async (caller) => {
    for (let count = 0; !isOver; count++) {
      const atMs = performance.now();
      try {
        await writes.write(caller, count);
        acknowledged++;
        tookMs.push(performance.now() - atMs);
      } catch (error) {
        errors.push(error);
      }
    }
  });
  await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
  const whole = { acknowledged, ms: performance.now() - startedMs };
  await instances[0]!.kill();
  const killedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, GO_ON_MS));
  isOver = true;
  await Promise.all(working);
  const afterMs = performance.now() - killedMs;
  const lost = await writes.lost(callers);
  const retried = callers.reduce((sum, caller) => sum + caller.retried, 0);
  const renumbered = callers.reduce((sum, caller) => sum + caller.renumbered, 0);
  for (const caller of callers) caller.close();
  if (errors.length > 0) console.error(`${service}: the first error`, errors[0]);
  const name = `kill -9 of one of three, ${title}`;
  const less = { lessIsBetter: true };
  return [
    ...rows,
    { name: `${name}, writes before it`, value: 1_000 * whole.acknowledged / whole.ms, unit: "requests/s" },
    {
      name: `${name}, writes after it`,
      value: 1_000 * (acknowledged - whole.acknowledged) / afterMs,
      unit: "requests/s",
    },
    { name: `${name}, p50`, value: percentile(tookMs, 0.5), unit: "ms", ...less },
    { name: `${name}, p99`, value: percentile(tookMs, 0.99), unit: "ms", ...less },
    { name: `${name}, longest`, value: Math.max(...tookMs), unit: "ms", ...less },
    { name: `${name}, acknowledged writes`, value: acknowledged, unit: "" },
    { name: `${name}, requests that needed their retry`, value: retried, unit: "", ...less },
    { name: `${name}, requests that needed a third`, value: renumbered, unit: "", ...less },
    { name: `${name}, errors after one retry`, value: errors.length, unit: "", ...less },
    { name: `${name}, acknowledged writes lost`, value: lost, unit: "", ...less },
  ];
}

/** A visor: one request after the other, at one instance as long as that answers. */
class Caller {
  readonly #signer: RequestSigner;
  #connection: Connection | undefined;
  /** Requests whose connection broke. */
  retried = 0;
  /** Requests that were sent a third time, for their number. */
  renumbered = 0;
  #sent = 0;

  constructor(readonly pair: KeyPair, readonly ports: readonly number[], private at: number) {
    this.#signer = new RequestSigner(pair);
  }

  async ask(asked: Asked): Promise<ServiceAnswer> {
    const once = () =>
      this.#signer.send({
        body: asked.body,
        exchange: (headers) => this.#exchange({ ...asked, headers }),
        askNonce: (path) => this.#exchange({ method: "GET", path }),
      });
    this.#sent = 0;
    try {
      return await once();
    } catch {
      this.retried++;
      this.moveOn();
      return await once();
    }
  }

  /** To the next instance. */
  moveOn(): void {
    this.close();
    this.at++;
  }

  async #exchange(asked: Asked): Promise<ServiceAnswer> {
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

/** A new transport with each request. At the end all are asked for. */
class Registrations implements Writes {
  readonly #acknowledged: ReadonlyMap<Caller, string[]>;

  constructor(callers: readonly Caller[]) {
    this.#acknowledged = new Map(callers.map((caller) => [caller, []]));
  }

  async write(caller: Caller, count: number): Promise<void> {
    const record = transportOf(caller.pair, pairOf(`peer ${count} of ${caller.pair.publicKey}`));
    const body = JSON.stringify([wireTransport(record)]) + "\n";
    expect(await caller.ask({ method: "POST", path: "/v3/transports/", body }), 201);
    this.#acknowledged.get(caller)!.push(record.id);
  }

  async lost(callers: readonly Caller[]): Promise<number> {
    let lost = 0;
    for (const caller of callers) {
      const path = `/v3/transports/edge:${caller.pair.publicKey}`;
      const { text } = expect(await caller.ask({ method: "GET", path }), 200);
      lost += this.#acknowledged.get(caller)!.filter((id) => !text.includes(id)).length;
    }
    return lost;
  }
}

/** A new port with each bind; the one that is resolved right after it, mostly at another instance, is that one. */
class Bindings implements Writes {
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
    for (const caller of callers) await this.#look(caller);
    return this.#lost;
  }
}

/** Writes until a caller asks another instance. */
const MOVE_EVERY = 8;
