/** A connection inside noise keeps the contract of Conn. @module */
import { memoryPair } from "../../lib/base/mod.ts";
import { noiseConn } from "../../lib/noise/mod.ts";
import { connCompliance, type ConnPair, type ConnPairContext } from "../base/conn_compliance.ts";

const KEYS = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const;

function noisePair({ ledger }: ConnPairContext, bytesMax?: number): ConnPair {
  const [below, farBelow] = memoryPair({ ledger, bytesMax });
  return {
    near: noiseConn(below, { send: KEYS[0], receive: KEYS[1] }, { ledger }),
    far: noiseConn(farBelow, { send: KEYS[1], receive: KEYS[0] }, { ledger }),
    async truncate() {
      await farBelow.write(Uint8Array.of(0, 100, 1, 2, 3));
      await farBelow.closeWrite();
    },
  };
}

connCompliance("a connection inside noise", (context) => noisePair(context), { pairs: 200 });

connCompliance(
  "a connection inside noise, over one that takes 17,000 bytes",
  (context) => noisePair(context, 17_000),
  { pairs: 20 },
);
