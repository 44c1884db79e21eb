/** Transports in SQLite: in memory, or in a file that survives a restart. One process per file. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { TransportLatency, TransportRecord } from "../../directory/mod.ts";
import { NO_END_MS, type Row, Sqlite, type SqliteOptions } from "./_sqlite.ts";
import { nonceTables, SqliteNonces } from "./_sqlite_nonces.ts";
import { PURGED_PER_PUT, purgeOf } from "./_sqlite_purge.ts";
import {
  LATENCIES_MAX,
  LATENCY_TTL_MS,
  type PutTransports,
  TRANSPORTS_MAX,
  type TransportStore,
} from "./transport_store.ts";

export interface SqliteTransportStoreOptions extends SqliteOptions {
  /** Default {@link TRANSPORTS_MAX}. */
  readonly transportsMax?: number;
  /** Default {@link LATENCIES_MAX}. */
  readonly latenciesMax?: number;
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

/** Opens the data base and makes its tables. Throws `StoreError`. */
export class SqliteTransportStore implements TransportStore {
  readonly nonces: SqliteNonces;
  readonly #sqlite: Sqlite;
  readonly #statements: Statements;
  readonly #transportsMax: number;
  readonly #latenciesMax: number;
  /** Rows, those past their time that nobody purged yet among them. */
  #transports = 0;
  #latencies = 0;

  constructor(options: SqliteTransportStoreOptions) {
    const { noncesMax, transportsMax = TRANSPORTS_MAX, latenciesMax = LATENCIES_MAX } = options;
    this.#sqlite = new Sqlite(options, TABLES, { later: LATER, indexes: INDEXES });
    this.#statements = prepare(this.#sqlite);
    this.#transportsMax = transportsMax;
    this.#latenciesMax = latenciesMax;
    this.#sqlite.counting(() => {
      this.#transports = this.#statements.countTransports.get()!.count as number;
      this.#latencies = this.#statements.countLatencies.get()!.count as number;
    });
    this.nonces = new SqliteNonces(this.#sqlite, PREFIX, noncesMax);
  }

  put(
    records: readonly TransportRecord[],
    { ttlMs, owner }: PutTransports,
  ): Promise<TransportRecord[] | undefined> {
    return this.#sqlite.write(() => {
      const nowMs = this.#sqlite.nowMs();
      const endsMs = this.#sqlite.endMs(ttlMs);
      const [transports, latencies] = [this.#transports, this.#latencies];
      try {
        return this.#sqlite.transaction(() => {
          const given = { nowMs, endsMs, owner: owner?.key ?? "", block: owner?.block?.text ?? "" };
          const changed = records.flatMap((record) => this.#put(record, given) ?? []);
          if (changed.length > 0 && owner !== undefined) {
            const owned = this.#statements.countOwned.get(owner.key, nowMs)!.count as number;
            if (owned > owner.recordsMax) throw new OwnerFull();
            if (owner.block !== undefined) this.#checkBlock(owner.block, nowMs);
          }
          const tooManyOfAll = owner === undefined ? 0 : this.#transports - this.#transportsMax;
          const ended = this.#statements.purge(nowMs, Math.max(PURGED_PER_PUT, tooManyOfAll));
          this.#transports -= ended;
          // Only what comes is refused: what is there is renewed also when a shorter list is demanded now.
          if (ended < tooManyOfAll && this.#transports > transports - ended) throw new OwnerFull();
          if (owner !== undefined && this.#latencies > latencies) {
            this.#latencies -= changes(this.#statements.keepLatencies.run(owner.key, owner.recordsMax));
          }
          const tooMany = Math.max(0, this.#latencies - this.#latenciesMax);
          if (tooMany > 0) this.#latencies -= changes(this.#statements.dropLatencies.run(tooMany));
          this.#latencies -= this.#statements.purgeLatencies(nowMs - LATENCY_TTL_MS, PURGED_PER_PUT);
          return changed;
        });
      } catch (error) {
        [this.#transports, this.#latencies] = [transports, latencies];
        if (error instanceof OwnerFull) return undefined;
        throw error;
      }
    });
  }

  byId(id: string): Promise<TransportRecord | undefined> {
    return this.#sqlite.ask(() => this.#get(id, this.#sqlite.nowMs()));
  }

  byEdges(keys: readonly PublicKey[]): Promise<TransportRecord[]> {
    return this.#sqlite.ask(() => {
      const nowMs = this.#sqlite.nowMs();
      if (keys.length === 1) return this.#byEdge(keys[0]!, nowMs).map(recordOf);
      const rows = new Map<string, Row>(); // a transport between two of them is found at both
      for (const key of new Set(keys)) {
        for (const row of this.#byEdge(key, nowMs)) rows.set(row.id as string, row);
      }
      return [...rows.values()].map(recordOf);
    });
  }

  all(): Promise<TransportRecord[]> {
    return this.#sqlite.ask(() => this.#statements.all.all(this.#sqlite.nowMs()).map(recordOf));
  }

  allWithLives(): Promise<{ record: TransportRecord; leftMs: number }[]> {
    return this.#sqlite.ask(() => {
      const nowMs = this.#sqlite.nowMs();
      return this.#statements.all.all(nowMs).map((row) => ({
        record: recordOf(row),
        leftMs: row.ends_ms === NO_END_MS ? Infinity : row.ends_ms as number - nowMs,
      }));
    });
  }

  shorten(ttlMs: number): Promise<void> {
    return this.#sqlite.write(() => {
      const endsMs = this.#sqlite.endMs(ttlMs);
      this.#statements.shorten.run(endsMs, endsMs);
    });
  }

  remove(ids: readonly string[]): Promise<string[]> {
    return this.#sqlite.write(() => {
      const nowMs = this.#sqlite.nowMs();
      return this.#sqlite.transaction(() =>
        [...new Set(ids)].filter((id) => {
          if (changes(this.#statements.remove.run(id, nowMs)) === 0) return false;
          this.#transports--;
          this.#latencies -= changes(this.#statements.removeLatency.run(id)); // else it would count for nobody
          return true;
        })
      );
    });
  }

  check(): Promise<void> {
    return this.#sqlite.check();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#sqlite.close();
    return Promise.resolve();
  }

  #checkBlock(
    { text, recordsMax }: { readonly text: string; readonly recordsMax: number },
    nowMs: number,
  ): void {
    if (this.#statements.countOfBlock.get(text, nowMs)!.count as number > recordsMax) throw new OwnerFull();
  }

  /** Gives the record as it is now where it is new, or other than before. */
  #put(
    record: TransportRecord,
    { nowMs, endsMs, owner, block }: { nowMs: number; endsMs: number; owner: string; block: string },
  ): TransportRecord | undefined {
    const { id, edges, type, label, latency } = record;
    const edgesThat = registrars(edges, owner);
    // Nearly every registration renews what is there, and most without a new measurement: one statement.
    const isRenewed =
      changes(this.#statements.renew.run(endsMs, id, label, nowMs, edgesThat, edgesThat)) !== 0;
    if (isRenewed && latency === undefined) return undefined;
    const before = this.#get(id, nowMs);
    if (!isRenewed) {
      if (this.#statements.isThere.get(id) === undefined) this.#transports++;
      const all = [id, edges[0], edges[1], type, label, endsMs, owner, block, edgesThat] as const;
      this.#statements.put.run(...all, nowMs, nowMs, nowMs);
    }
    if (latency !== undefined) {
      const { min, max, avg } = latency;
      if (changes(this.#statements.setLatency.run(min, max, avg, nowMs, id)) === 0) {
        this.#statements.putLatency.run(id, min, max, avg, nowMs, owner);
        this.#latencies++;
      }
    }
    const after = this.#get(id, nowMs)!;
    return before?.label === label && isSame(before.latency, after.latency) ? undefined : after;
  }

  #get(id: string, nowMs: number): TransportRecord | undefined {
    const row = this.#statements.get.get(id, nowMs);
    return row === undefined ? undefined : recordOf(row);
  }

  #byEdge(key: PublicKey, nowMs: number): Row[] {
    return this.#statements.byEdge.all(key, nowMs, key, nowMs);
  }
}

function recordOf(row: Row): TransportRecord {
  const record = {
    id: row.id as string,
    edges: [row.edge_a as PublicKey, row.edge_b as PublicKey] as const,
    type: row.type as string,
    label: row.label as string,
  };
  if (row.average === null) return record;
  return {
    ...record,
    latency: { min: row.least as number, max: row.most as number, avg: row.average as number },
  };
}

function isSame(one: TransportLatency | undefined, other: TransportLatency | undefined): boolean {
  return one?.avg === other?.avg && one?.min === other?.min && one?.max === other?.max;
}

/** Which edges say that there is such a transport, as bits. Without an owner both do. */
function registrars(edges: TransportRecord["edges"], owner: string): number {
  if (owner === "") return BOTH_EDGES;
  return (edges[0] === owner ? 0b01 : 0) | (edges[1] === owner ? 0b10 : 0);
}

function changes(result: { readonly changes: number | bigint }): number {
  return Number(result.changes);
}

/** Undoes a put; nobody outside sees it. */
class OwnerFull extends Error {}

const PREFIX = "transport_discovery";
const BOTH_EDGES = 0b01 | 0b10;

const TABLES = `
  CREATE TABLE IF NOT EXISTS transports (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    edge_a TEXT NOT NULL,
    edge_b TEXT NOT NULL,
    type TEXT NOT NULL,
    label TEXT NOT NULL,
    ends_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS transports_by_edge_a ON transports (edge_a);
  CREATE INDEX IF NOT EXISTS transports_by_edge_b ON transports (edge_b);
  CREATE INDEX IF NOT EXISTS transports_by_end ON transports (ends_ms);
  CREATE TABLE IF NOT EXISTS transport_latencies (
    id TEXT PRIMARY KEY,
    least INTEGER NOT NULL,
    most INTEGER NOT NULL,
    average INTEGER NOT NULL,
    measured_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS transport_latencies_by_time ON transport_latencies (measured_ms);
  ${nonceTables(PREFIX)}
`;

/** Who registered a transport first. Those of older files have nobody: they end soon, or count for nobody. */
const OWNER = { table: "transports", column: "owner", definition: "TEXT NOT NULL DEFAULT ''" };
/** The address block that it was registered from, where that was known. */
const OWNER_BLOCK = { table: "transports", column: "owner_block", definition: "TEXT NOT NULL DEFAULT ''" };
/** Bits of the edges that registered it while it lived. */
const REGISTRARS = { table: "transports", column: "registrars", definition: "INTEGER NOT NULL DEFAULT 0" };
/** Who told the latency first. */
const LATENCY_OWNER = {
  table: "transport_latencies",
  column: "owner",
  definition: "TEXT NOT NULL DEFAULT ''",
};
const LATER = [OWNER, OWNER_BLOCK, REGISTRARS, LATENCY_OWNER];
const INDEXES = `
  CREATE INDEX IF NOT EXISTS transports_by_owner ON transports (owner, ends_ms);
  CREATE INDEX IF NOT EXISTS transports_by_owner_block ON transports (owner_block, ends_ms);
  CREATE INDEX IF NOT EXISTS transport_latencies_by_owner ON transport_latencies (owner, measured_ms);
`;

type Statements = ReturnType<typeof prepare>;

function prepare(sqlite: Sqlite) {
  const columns = "number, transports.id AS id, edge_a, edge_b, type, label, ends_ms, least, most, average";
  // What one edge alone says of a transport may be invented, and a latency next to nothing would lead routes there.
  const from = `FROM transports LEFT JOIN transport_latencies
    ON transport_latencies.id = transports.id AND registrars = ${BOTH_EDGES}`;
  return {
    get: sqlite.statement(`SELECT ${columns} ${from} WHERE transports.id = ? AND ends_ms > ?`),
    byEdge: sqlite.statement(`
      SELECT ${columns} ${from} WHERE edge_a = ? AND ends_ms > ?
      UNION ALL SELECT ${columns} ${from} WHERE edge_b = ? AND ends_ms > ? AND edge_a <> edge_b
      ORDER BY number`),
    all: sqlite.statement(`SELECT ${columns} ${from} WHERE ends_ms > ? ORDER BY number`),
    renew: sqlite.statement(
      "UPDATE transports SET ends_ms = ? WHERE id = ? AND label = ? AND ends_ms > ? AND registrars & ? = ?",
    ),
    shorten: sqlite.statement("UPDATE transports SET ends_ms = ? WHERE ends_ms > ?"),
    put: sqlite.statement(`
      INSERT INTO transports (id, edge_a, edge_b, type, label, ends_ms, owner, owner_block, registrars)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET label = excluded.label, ends_ms = excluded.ends_ms,
        owner = CASE WHEN ends_ms > ? THEN owner ELSE excluded.owner END,
        owner_block = CASE WHEN ends_ms > ? THEN owner_block ELSE excluded.owner_block END,
        registrars = CASE WHEN ends_ms > ? THEN registrars ELSE 0 END | excluded.registrars`),
    countOwned: sqlite.statement("SELECT count(*) AS count FROM transports WHERE owner = ? AND ends_ms > ?"),
    countOfBlock: sqlite.statement(
      "SELECT count(*) AS count FROM transports WHERE owner_block = ? AND ends_ms > ?",
    ),
    countTransports: sqlite.statement("SELECT count(*) AS count FROM transports"),
    isThere: sqlite.statement("SELECT 1 FROM transports WHERE id = ?"),
    countLatencies: sqlite.statement("SELECT count(*) AS count FROM transport_latencies"),
    setLatency: sqlite.statement(
      "UPDATE transport_latencies SET least = ?, most = ?, average = ?, measured_ms = ? WHERE id = ?",
    ),
    putLatency: sqlite.statement(`
      INSERT INTO transport_latencies (id, least, most, average, measured_ms, owner) VALUES (?, ?, ?, ?, ?, ?)`),
    removeLatency: sqlite.statement("DELETE FROM transport_latencies WHERE id = ?"),
    keepLatencies: sqlite.statement(`
      DELETE FROM transport_latencies WHERE id IN (
        SELECT id FROM transport_latencies WHERE owner = ? ORDER BY measured_ms DESC LIMIT -1 OFFSET ?)`),
    dropLatencies: sqlite.statement(`
      DELETE FROM transport_latencies WHERE id IN (
        SELECT id FROM transport_latencies ORDER BY measured_ms LIMIT ?)`),
    remove: sqlite.statement("DELETE FROM transports WHERE id = ? AND ends_ms > ?"),
    purge: purgeOf(sqlite, { table: "transports", rows: "id", by: "ends_ms" }),
    purgeLatencies: purgeOf(sqlite, { table: "transport_latencies", rows: "id", by: "measured_ms" }),
  };
}
