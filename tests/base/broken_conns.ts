/**
 * Conns that are wrong, each in one rule: what the compliance suite must catch. Every one is a memory pair
 * with one method spoilt.
 *
 * @module
 */
import { type Conn, ConnClosedError, ConnResetError, type Ledger, memoryPair } from "../../lib/base/mod.ts";
import type { ConnPairContext } from "./conn_compliance.ts";

/** One way to be wrong, and a case of the suite that must fail for it. */
export interface BrokenConn {
  readonly flaw: string;
  readonly caughtBy: string;
  make(context: ConnPairContext): { near: Conn; far: Conn };
}

/** A Conn that hands everything through; `spoil` replaces what it likes. */
function spoilt(conn: Conn, spoil: (inner: Conn) => Partial<Conn>): Conn {
  return {
    halfClose: conn.halfClose,
    closed: conn.closed,
    read: () => conn.read(),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: (reason) => conn.close(reason),
    ...spoil(conn),
  };
}

/** Both ends spoilt, each with state of its own. */
function both(spoil: (inner: Conn) => Partial<Conn>, bytesMax?: number) {
  return ({ ledger }: { ledger: Ledger }) => {
    const [near, far] = memoryPair({ ledger, bytesMax });
    return { near: spoilt(near, spoil), far: spoilt(far, spoil) };
  };
}

/** Queues without a bound between the caller and `conn`. */
function unboundedWriter(conn: Conn): Pick<Conn, "write"> {
  return {
    write: (bytes) => {
      conn.write(bytes.slice()).catch(() => {});
      return Promise.resolve();
    },
  };
}

let made = 0; // by the Conn that leaks now and then

export const BROKEN_CONNS: readonly BrokenConn[] = [
  {
    flaw: "drops the last byte of a long write",
    caughtBy: "bytes arrive whole and in order, both ways at once, whatever their sizes",
    make: both((conn) => ({
      write: (bytes) => conn.write(bytes.length > 60_000 ? bytes.subarray(0, -1) : bytes),
    })),
  },
  {
    flaw: "sends a short write before a long one that waits",
    caughtBy: "100 concurrent writes arrive contiguous and in the order of the calls",
    make: both((conn) => ({
      write: async (bytes) => {
        if (bytes.length > 5_000) await Promise.resolve();
        await conn.write(bytes);
      },
    })),
  },
  {
    flaw: "cuts a write into pieces that others come between",
    caughtBy: "100 concurrent writes arrive contiguous and in the order of the calls",
    make: both((conn) => ({
      write: async (bytes) => {
        for (let offset = 0; offset < bytes.length; offset += 4_000) {
          await conn.write(bytes.subarray(offset, offset + 4_000));
        }
      },
    })),
  },
  {
    flaw: "sends a byte for an empty write",
    caughtBy: "an empty write sends nothing",
    make: both((conn) => ({
      write: (bytes) => conn.write(bytes.length === 0 ? Uint8Array.of(0) : bytes),
    })),
  },
  {
    flaw: "gives an empty view",
    caughtBy: "bytes arrive whole and in order, both ways at once, whatever their sizes",
    make: both((conn) => {
      let reads = 0;
      return { read: () => (++reads % 3 === 0 ? Promise.resolve(new Uint8Array(0)) : conn.read()) };
    }),
  },
  {
    flaw: "keeps a reference to written bytes after their promise settled",
    caughtBy: "a written buffer may be used again once its promise settled",
    make: both((conn) => ({
      write: (bytes) => {
        const written = Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve)));
        written.then(() => conn.write(bytes)).catch(() => {});
        return Promise.resolve();
      },
    })),
  },
  {
    flaw: "reads into a view that is still the reader's",
    caughtBy: "a view stays right until the next read, whatever comes or is sent meanwhile",
    make: both((conn) => {
      let lent: Uint8Array | null = null;
      return {
        read: async () => lent = await conn.read(),
        write: (bytes) => {
          lent?.fill(0);
          return conn.write(bytes);
        },
      };
    }),
  },
  {
    flaw: "keeps what a reader changed in its view",
    caughtBy: "a reader may change its view in place: what follows, and what was written, stays as it was",
    make: both((conn) => {
      let last: Uint8Array | null = null;
      return {
        async read() {
          const wasChanged = last !== null && last[0] === 0xee;
          const view = await conn.read();
          if (wasChanged && view !== null) view[0] = 0xee; // as if the buffer were shared
          return last = view;
        },
      };
    }),
  },
  {
    flaw: "allows a second pending read",
    caughtBy: "a second pending read is refused, and the first goes on",
    make: both((conn) => {
      let pending: Promise<Uint8Array | null> | undefined;
      return { read: () => pending ??= conn.read().finally(() => pending = undefined) };
    }),
  },
  {
    flaw: "forgets the first read when a second is refused",
    caughtBy: "a second pending read is refused, and the first goes on",
    make: both((conn) => {
      let pending: PromiseWithResolvers<Uint8Array | null> | undefined;
      return {
        read: () => {
          if (pending !== undefined) {
            pending.reject(new TypeError("A read is already pending"));
            return pending.promise;
          }
          const mine = pending = Promise.withResolvers();
          conn.read().then(mine.resolve, mine.reject).finally(() => pending = undefined);
          return mine.promise;
        },
      };
    }),
  },
  {
    flaw: "takes in without a bound",
    caughtBy: "a writer waits while nobody reads, and goes on when somebody does",
    make: both(unboundedWriter),
  },
  {
    flaw: "has a bound that is far too large",
    caughtBy: "both sides writing 64 MiB before they read end in waiting and time-outs, not in memory",
    make: both(() => ({}), 128 << 20),
  },
  {
    flaw: "holds up one direction while nobody reads the other",
    caughtBy: "a direction that nobody reads does not hold up the other one",
    make: both((conn) => {
      let last: Promise<void> = Promise.resolve();
      return {
        write: (bytes) => last = conn.write(bytes),
        read: () => last.catch(() => {}).then(() => conn.read()),
      };
    }),
  },
  {
    flaw: "tells the end once, and then waits",
    caughtBy: "the end comes after every byte, and stays",
    make: both((conn) => {
      let ended = false;
      return {
        read: async () => {
          if (ended) return await new Promise<null>(() => {});
          const view = await conn.read();
          ended = view === null;
          return view;
        },
      };
    }),
  },
  {
    flaw: "ends its half in front of queued writes",
    caughtBy: "closeWrite() comes after the writes already called, and may be repeated",
    make: both((conn) => {
      let ended = false;
      const queue: Promise<void>[] = [];
      return {
        write: async (bytes) => {
          for (let offset = 0; offset < bytes.length && !ended; offset += 50_000) {
            const part = conn.write(bytes.subarray(offset, offset + 50_000));
            queue.push(part);
            await part;
          }
        },
        closeWrite: () => {
          ended = true;
          return conn.closeWrite();
        },
      };
    }),
  },
  {
    flaw: "refuses a second closeWrite",
    caughtBy: "closeWrite() comes after the writes already called, and may be repeated",
    make: both((conn) => {
      let ended = false;
      return {
        closeWrite: async () => {
          if (ended) throw new ConnClosedError(undefined, "Write half is closed");
          ended = true;
          await conn.closeWrite();
        },
      };
    }),
  },
  {
    flaw: "swallows a write after closeWrite",
    caughtBy: "a write after closeWrite() is refused and sends nothing",
    make: both((conn) => {
      let ended = false;
      return {
        write: (bytes) => (ended ? Promise.resolve() : conn.write(bytes)),
        closeWrite: () => {
          ended = true;
          return conn.closeWrite();
        },
      };
    }),
  },
  {
    flaw: "ends both directions though it says half-close",
    caughtBy: "half-close: each direction ends by itself, or halfClose is false",
    make: both((conn) => ({
      closeWrite: async () => {
        await conn.closeWrite();
        conn.close();
      },
    })),
  },
  {
    flaw: "reads its own close as the end",
    caughtBy: "our own close never reads as the end, not even after the peer's end",
    make: both((conn) => {
      let isClosed = false;
      return {
        read: () => conn.read().catch((error) => isClosed ? null : Promise.reject(error)),
        close: (reason) => {
          isClosed = true;
          conn.close(reason);
        },
      };
    }),
  },
  {
    flaw: "does not wake a reader when it closes",
    caughtBy: "close() wakes a reader, and is no end to it",
    make: both((conn) => ({
      read: () =>
        conn.read().catch((error) =>
          error instanceof ConnClosedError ? new Promise(() => {}) : Promise.reject(error)
        ),
    })),
  },
  {
    flaw: "loses the first reason of its close",
    caughtBy: "the first reason stays",
    make: both((conn) => {
      let last: { reason: unknown } | undefined;
      const rename = (error: unknown): never => {
        throw last !== undefined && error instanceof ConnClosedError
          ? new ConnClosedError(last.reason)
          : error;
      };
      return {
        read: () => conn.read().catch(rename),
        write: (bytes) => conn.write(bytes).catch(rename),
        closeWrite: () => conn.closeWrite().catch(rename),
        close: (reason) => {
          last = { reason };
          conn.close(reason);
        },
      };
    }),
  },
  {
    flaw: "says why it closed to pending calls only",
    caughtBy: "close(reason) wakes read, write and closeWrite; its reason is their cause, then and later",
    make: both((conn) => {
      let isClosed = false;
      return {
        read: () => (isClosed ? Promise.reject(new ConnClosedError()) : conn.read()),
        close: (reason) => {
          isClosed = true;
          conn.close(reason);
        },
      };
    }),
  },
  {
    flaw: "drops on close() what was taken in",
    caughtBy: "close() sends what was taken in, and then the end, though bytes of the peer are unread",
    make: both((conn) => ({ close: (reason) => conn.close(reason ?? new Error("dropped")) })),
  },
  {
    flaw: "never settles `closed`",
    caughtBy: "`closed` waits for our close",
    make: both(() => ({ closed: new Promise(() => {}) })),
  },
  {
    flaw: "settles `closed` before it is",
    caughtBy: "`closed` waits for our close",
    make: both(() => ({ closed: Promise.resolve() })),
  },
  {
    flaw: "lingers for ever when the peer does not read",
    caughtBy: "a linger is bounded when the peer is dead",
    make: both((conn) => {
      let last: Promise<unknown> = Promise.resolve();
      return {
        write: (bytes) => {
          const written = conn.write(bytes);
          last = written.catch(() => {});
          return written;
        },
        close: (reason) => {
          if (reason === undefined) void last.then(() => conn.close());
          else conn.close(reason);
        },
      };
    }),
  },
  {
    flaw: "lingers on after an abort",
    caughtBy: "an abort cuts a linger short",
    make: ({ clock, ledger }) => {
      const [near, far] = memoryPair({ ledger });
      const linger = (conn: Conn): Conn => {
        let isClosing = false;
        return spoilt(conn, () => ({
          close: (reason) => {
            if (isClosing) return;
            isClosing = true;
            if (reason === undefined) clock.timer(1_000, () => conn.close());
            else conn.close(reason);
          },
        }));
      };
      return { near: linger(near), far: linger(far) };
    },
  },
  {
    flaw: "reads a reset as the end",
    caughtBy: "a reset fails both halves alike, and is no end",
    make: both((conn) => ({
      read: () =>
        conn.read().catch((error) => error instanceof ConnResetError ? null : Promise.reject(error)),
    })),
  },
  {
    flaw: "goes on writing after a reset",
    caughtBy: "a reset fails both halves alike, and is no end",
    make: both((conn) => ({
      write: (bytes) =>
        conn.write(bytes).catch((error) => {
          if (!(error instanceof ConnResetError)) throw error;
        }),
    })),
  },
  {
    flaw: "gives each queued write a reason of its own",
    caughtBy: "a reset fails the write that waits, the queued ones and all later ones for the same reason",
    make: both((conn) => ({
      write: (bytes) =>
        conn.write(bytes).catch((error) => {
          throw error instanceof ConnResetError ? new ConnResetError() : error;
        }),
    })),
  },
  {
    flaw: "leaks a timer with one connection in ten",
    caughtBy: "many opened and closed leave nothing",
    make: ({ clock, ledger }) => {
      if (++made % 10 === 0) clock.timer(1e12, () => {});
      const [near, far] = memoryPair({ ledger });
      return { near, far };
    },
  },
];
