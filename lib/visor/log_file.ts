/**
 * The visor's log: a ring in memory, and a file that is turned over at a bound (visor.md 9: 1 MB, one backup).
 *
 * @module
 */
import {
  describeError,
  type Log,
  type LogLevel,
  type LogRecord,
  LogRing,
  logTo,
  renderLogRecord,
} from "../base/mod.ts";
import type { World } from "../runtime/mod.ts";

/** The file is moved to `<name>.1` when it has grown to this. */
export const LOG_FILE_BYTES_MAX = 1024 * 1024;
/** Lines that wait for the disk; further ones are dropped and counted. */
export const LOG_QUEUE_MAX = 4_096;

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LogFileOptions {
  readonly world: Pick<World, "clock" | "files" | "outside">;
  readonly level: LogLevel;
  /** Absent: memory only. */
  readonly path?: string;
  /** Also told of every line that is kept, e.g. to show it on a terminal. */
  readonly onRecord?: (record: LogRecord) => void;
}

export class LogFile implements AsyncDisposable {
  readonly ring = new LogRing();
  readonly log: Log;
  readonly path: string | undefined;
  readonly #options: LogFileOptions;
  readonly #listeners = new Set<(line: string) => void>();
  #queue: string[] = [];
  #dropped = 0;
  #failure: string | undefined;
  #bytes: number | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.path = options.path;
    const least = LEVELS.indexOf(options.level);
    this.log = logTo(
      (record) => {
        if (LEVELS.indexOf(record.level) < least) return;
        this.#keep(record);
      },
      () => options.world.clock.wallMs(),
      undefined,
      this.ring,
    );
  }

  /** Calls `listener` with each further line, without its end. Gives the undo. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Why the last lines are not on disk; undefined while they are. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Waits until every line is on disk, or is not to be had there. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #keep(record: LogRecord): void {
    this.#options.onRecord?.(record);
    const line = renderLogRecord(record);
    this.ring.push(line);
    for (const listener of this.#listeners) listener(line);
    if (this.path === undefined) return;
    if (this.#queue.length >= LOG_QUEUE_MAX) {
      this.#dropped++;
      return;
    }
    this.#queue.push(line);
    this.#writing ??= this.#drain();
  }

  /** One append for all lines that wait. A disk that fails costs lines, never the visor. */
  async #drain(): Promise<void> {
    await Promise.resolve(); // lines of this turn go together
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      if (this.#dropped > 0) lines.push(`(${this.#dropped} lines dropped: the disk is too slow)`);
      this.#dropped = 0;
      const bytes = new TextEncoder().encode(lines.join("\n") + "\n");
      try {
        await this.#options.world.outside(() => this.#append(bytes));
        this.#failure = undefined;
      } catch (error) {
        this.#bytes = undefined;
        this.#failure = describeError(error); // said by `visor status`; the ring still holds the lines
      }
    }
    this.#writing = undefined; // in the turn of the last look: a line that comes a moment later starts anew
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const { files } = this.#options.world;
    const path = this.path!;
    this.#bytes ??= (await files.info(path))?.bytes ?? 0;
    if (this.#bytes + bytes.length > LOG_FILE_BYTES_MAX && this.#bytes > 0) {
      await files.write(`${path}.1`, await files.read(path), { mode: 0o600 });
      await files.remove(path);
      this.#bytes = 0;
    }
    await files.append(path, bytes, { mode: 0o600 });
    this.#bytes += bytes.length;
  }
}
