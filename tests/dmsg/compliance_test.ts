/** Streams of two whole clients through a whole server keep the contract of Conn. @module */
import { connCompliance } from "../base/conn_compliance.ts";
import { far, Trio } from "./_trio.ts";

connCompliance("DmsgClient.dial() and DmsgClient.listen()", async ({ clock, ledger }) => {
  const trio = await new Trio(clock, ledger).begin();
  const listener = trio.far.listen(1000);
  const accepting = listener.accept();
  const near = await trio.near.dial({ publicKey: far.publicKey, port: 1000 });
  return {
    near,
    far: (await accepting)!,
    dispose: () => trio.end(),
  };
}, {
  takenInBytesMax: 4 << 20,
  pairs: 50,
  cannot: {
    truncate: "its frames are made inside of it; the same layers by hand are in stream_compliance_test.ts",
  },
});
