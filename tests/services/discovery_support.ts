/** A dmsg discovery with a clock that tests move, asked without any socket. */
import { Ledger, type Log, type LogRecord, logTo } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { type Entry, renderEntry, signEntry } from "../../lib/dmsg/entry.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { createDmsgDiscovery, type DmsgDiscoverySettings } from "../../lib/services/dmsg_discovery/mod.ts";
import type { DmsgStatus } from "../../lib/services/hosting/mod.ts";
import { type EntryStore, SqliteEntryStore } from "../../lib/services/store/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { ask } from "./service_support.ts";

export { pair } from "./service_support.ts";

export interface Answered {
  readonly status: number;
  readonly contentType: string;
  readonly headers: Headers;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  /** Default: an address of the internet. */
  readonly remote?: string;
}

export class DiscoveryUnderTest {
  readonly ledger = new Ledger();
  readonly clock: VirtualClock;
  readonly store: EntryStore;
  readonly logged: LogRecord[] = [];
  readonly api;

  constructor(
    { settings, wallMs, store, dmsgStatus }: {
      settings?: DmsgDiscoverySettings;
      wallMs?: number;
      store?: EntryStore;
      dmsgStatus?: () => DmsgStatus;
    } = {},
  ) {
    this.clock = new VirtualClock({ wallMs, ledger: this.ledger });
    this.store = store ?? new SqliteEntryStore({ clock: this.clock, ledger: this.ledger });
    const log: Log = logTo((record) => this.logged.push(record), () => this.clock.wallMs());
    let draws = 0;
    const random = { bytes: (length: number) => new Uint8Array(length).map(() => draws++ * 97) };
    this.api = createDmsgDiscovery({
      store: this.store,
      world: { clock: this.clock, random },
      log,
      settings,
      dmsgStatus,
    });
  }

  async ask(
    path: string,
    { method = "GET", body, headers, remote = "203.0.113.9:4321" }: Asked = {},
  ): Promise<Answered> {
    const answer = await ask(this.api, { path, method, body, headers, remote });
    const answered = new Headers(answer.headers as [string, string][]);
    return {
      status: answer.status,
      contentType: answered.get("content-type") ?? "",
      headers: answered,
      body: answer.body,
    };
  }

  post(entry: Entry | string, asked: Asked = {}): Promise<Answered> {
    const body = typeof entry === "string" ? entry : renderEntry(entry);
    return this.ask("/dmsg-discovery/entry/", { method: "POST", body, ...asked });
  }

  /** The list that a path answers with; fails on any status but 200. */
  async list(path: string): Promise<unknown[]> {
    const { status, body } = await this.ask(`/dmsg-discovery/${path}`);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return JSON.parse(body);
  }

  nowNs(): bigint {
    return BigInt(this.clock.wallMs()) * 1_000_000n;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    assertNothingAlive(this.ledger);
  }
}

export function signedClient(
  owner: KeyPair,
  members: Partial<Entry> = {},
): Entry {
  return signEntry({
    version: "0.0.1",
    sequence: 0n,
    timestamp: 1n,
    static: owner.publicKey,
    client: { delegatedServers: [] },
    ...members,
  }, owner.secretKey);
}

export function signedServer(
  owner: KeyPair,
  members: Partial<Entry> & Pick<Entry, "timestamp">,
): Entry {
  return signEntry({
    version: "0.0.1",
    sequence: 0n,
    static: owner.publicKey,
    server: { address: "203.0.113.5:8081", availableSessions: 5 },
    ...members,
  }, owner.secretKey);
}
