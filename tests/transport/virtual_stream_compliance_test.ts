/** A virtual stream on a transport keeps the contract of Conn. @module */
import { PacketType, type VirtualStream } from "../../lib/transport/mod.ts";
import { connCompliance } from "../base/conn_compliance.ts";
import { transportPair } from "./support.ts";

connCompliance("a virtual stream", async (world) => {
  const accepted = Promise.withResolvers<VirtualStream>();
  const { near, far } = transportPair(world, {}, {
    onStream(_kind, stream) {
      accepted.resolve(stream);
      return true;
    },
  });
  const stream = near.openStream(PacketType.visorRpc);
  return {
    near: stream,
    far: await accepted.promise,
    async dispose() {
      near.close();
      far.close();
      await Promise.all([near.closed, far.closed]);
    },
  };
}, {
  pairs: 200,
  takenInBytesMax: 2 << 20,
  cannot: {
    truncate:
      "a transport that ends inside a packet is no end of the stream, but a failure of everything on it",
    resetPastUnread: "an end of a stream is behind its bytes",
    reset: "the protocol has one way to end a stream, and it reads as an end",
  },
});
