/** Streams of a yamux session keep the contract of Conn: alone, among others, and through a splice. @module */
import { type Conn, memoryPair } from "../../lib/base/mod.ts";
import { frame } from "./support.ts";
import { spliceStreams, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { connCompliance, type ConnPair, type ConnPairContext } from "../base/conn_compliance.ts";

/** Two windows, and what the sessions and the connection between them take in. */
const TAKEN_IN_BYTES_MAX = 2 << 20;

interface Link {
  readonly near: YamuxSession;
  readonly far: YamuxSession;
  /** The connection of `far`. */
  readonly farConn: Conn;
  /** Opens a stream at `near`, and gives both its ends. */
  open(): Promise<[YamuxStream, YamuxStream]>;
}

function link({ clock, ledger }: ConnPairContext, bytesMax?: number): Link {
  const [nearConn, farConn] = memoryPair({ ledger, bytesMax });
  let accept = (_: YamuxStream) => {};
  const world = { clock, ledger };
  const near = new YamuxSession(nearConn, { role: "client", world, onStream() {} });
  const far = new YamuxSession(farConn, { role: "server", world, onStream: (stream) => accept(stream) });
  const open = async (): Promise<[YamuxStream, YamuxStream]> => {
    const accepted = Promise.withResolvers<YamuxStream>();
    accept = accepted.resolve;
    return [near.open(), await accepted.promise];
  };
  return { near, far, farConn, open };
}

async function endLinks(...links: Link[]): Promise<void> {
  for (const { near, far } of links) {
    near.close();
    far.close();
  }
  await Promise.all(links.flatMap(({ near, far }) => [near.closed, far.closed]));
}

async function streamPair(context: ConnPairContext, bytesMax?: number): Promise<ConnPair> {
  const only = link(context, bytesMax);
  const [near, far] = await only.open();
  return {
    near,
    far,
    truncate: async () => {
      await only.farConn.write(frame("data 1 10").subarray(0, 12));
      only.farConn.close();
    },
    dispose: () => endLinks(only),
  };
}

connCompliance("a yamux stream", (context) => streamPair(context), { takenInBytesMax: TAKEN_IN_BYTES_MAX });

connCompliance("a yamux stream over a connection of 1,000 bytes", (context) => streamPair(context, 1_000), {
  takenInBytesMax: TAKEN_IN_BYTES_MAX,
  transferBytes: 300_000,
  pairs: 50,
});

connCompliance("a yamux stream that the server opened, among 20 others", async (context) => {
  const both = link(context);
  const others = await Promise.all(Array.from({ length: 20 }, () => both.near.open()));
  for (const stream of others) stream.write(new Uint8Array(400_000)).catch(() => {}); // none of them is read
  const [near, far] = await both.open();
  return { near: far, far: near, dispose: () => endLinks(both) };
}, {
  takenInBytesMax: TAKEN_IN_BYTES_MAX,
  pairs: 20,
  cannot: { truncate: "the streams of the other side have the case" },
});

connCompliance("two spliced yamux streams", async (context) => {
  const [left, right] = [link(context), link(context)];
  const [near, relayed] = await left.open();
  const [onward, far] = await right.open();
  const done = spliceStreams(relayed, onward, { idleMs: 300_000 }).catch(() => {});
  return {
    near: withoutHalfClose(near),
    far: withoutHalfClose(far),
    dispose: async () => {
      await endLinks(left, right);
      await done;
    },
  };
}, {
  takenInBytesMax: 2 * TAKEN_IN_BYTES_MAX,
  pairs: 50,
  cannot: { truncate: "the relay turns it into a reset" },
});

/** What a stream through a dmsg server is: when one direction ends, so does the other. */
function withoutHalfClose(stream: YamuxStream): Conn {
  return {
    halfClose: false,
    closed: stream.closed,
    read: () => stream.read(),
    write: (bytes) => stream.write(bytes),
    closeWrite: () => stream.closeWrite(),
    close: (reason) => stream.close(reason),
  };
}
