/** A KCP session keeps the Conn contract, over datagrams in memory. @module */
import { connCompliance } from "../base/conn_compliance.ts";
import { kcpPair } from "./support.ts";

const SETTLE_MS = 12; // an acknowledgement that waited has gone out by then

connCompliance("KcpConn", async ({ clock, ledger }) => {
  const settle = () => clock.advance(SETTLE_MS);
  const { near, far, dispose, net } = await kcpPair({ clock, ledger }, {}, { settle });
  return {
    near,
    far,
    settle,
    stall: () => {
      net.watch = (_bytes, _from, to) => to.port !== far.local.port;
    },
    dispose,
  };
}, { cannot: { truncate: "it has no frames" }, pairs: 200 });
