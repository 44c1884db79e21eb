/** Recorded conversations of Go's net/rpc, replayed in both roles. */
import assert from "node:assert/strict";
import { type Conn, memoryPair, SkyError } from "../../../lib/base/mod.ts";
import { fromHex, toHex } from "../../../lib/crypto/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { ConnReader } from "../../../lib/wire/mod.ts";
import { RpcClient, RpcError, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import { NO_REPLY, type Recording, recording, RECORDINGS, SHAPES, typeIdsOf } from "./_gob_recordings.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";

class RecordedRefusal extends Error {
  constructor(readonly rpcText: string) {
    super(rpcText);
  }
}

/** Answers with what the recording says, after holding each argument against it. */
function recordedMethods({ calls }: Recording) {
  let next = 0;
  const methods: Record<string, Parameters<typeof serveRpc>[1][string]> = {};
  for (const { method, error } of calls) {
    if (error.startsWith("rpc: can't find")) continue;
    const { argument, reply, argumentOf, replyOf } = SHAPES[method]!;
    methods[method] = {
      argument,
      reply,
      handle(value: unknown) {
        const call = calls[next++]!;
        assert.equal(call.method, method);
        assert.deepEqual(value, argumentOf(call.args));
        if (call.error !== "") throw new RecordedRefusal(call.error);
        return replyOf(call.reply);
      },
    };
  }
  return { methods, count: () => next };
}

for (const [index, name] of RECORDINGS.entries()) {
  Deno.test(`${name}: as server, every request is understood and answered byte for byte`, async () => {
    const recorded = await recording(name);
    assert.equal(recorded.calls.length, recorded.cases);
    assert.equal(recorded.calls.length, [4, 8, 1, 6, 4, 2, 2][index]);
    const [peer, ours] = memoryPair();
    const typeIds = typeIdsOf(recorded.calls.map((call) => call.response_hex), NO_REPLY);
    const { methods, count } = recordedMethods(recorded);
    const serving = serveRpc(ours, methods, { typeIds });
    const reader = new ConnReader(peer);
    for (const { request_hex, response_hex } of recorded.calls) {
      await peer.write(fromHex(request_hex));
      const answer = await reader.readExactly(response_hex.length / 2);
      assert.equal(toHex(answer), response_hex);
    }
    peer.close();
    await serving;
    assert.equal(count(), Object.keys(methods).length === 0 ? 0 : recorded.calls.filter(served).length);
  });

  Deno.test(`${name}: as client, every answer is understood and every request byte for byte`, async () => {
    const recorded = await recording(name);
    const [peer, ours] = memoryPair();
    const typeIds = typeIdsOf(recorded.calls.map((call) => call.request_hex), types.NOTHING);
    const client = new RpcClient(ours, { world: { clock: new VirtualClock() }, typeIds });
    const reader = new ConnReader(peer);
    let checked = 0;
    for (const { method, args, reply, error, request_hex, response_hex } of recorded.calls) {
      const { argument, reply: replyType, argumentOf, replyOf } = SHAPES[method]!;
      const calling = client.call(method, argument, argumentOf(args), replyType);
      const outcome = calling.then((value) => ({ value }), (failure) => ({ failure }));
      assert.equal(toHex(await reader.readExactly(request_hex.length / 2)), request_hex);
      await peer.write(fromHex(response_hex));
      const got = await outcome as { value?: unknown; failure?: unknown };
      if (error === "") {
        assert.equal(got.failure, undefined);
        assert.deepEqual(got.value, replyOf(reply));
      } else {
        assert(got.failure instanceof RpcError);
        assert.equal(got.failure.text, error);
      }
      checked++;
    }
    assert.equal(checked, recorded.cases);
    client.close();
    peer.close();
    await client.closed;
  });

  Deno.test(`${name}: one changed or missing byte ends in an answer or a typed error`, async () => {
    const recorded = await recording(name);
    const bytes = fromHex(recorded.calls.map((call) => call.request_hex).join(""));
    const responses = fromHex(recorded.calls.map((call) => call.response_hex).join(""));
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 7) {
      const cut = bytes.slice(0, at);
      const changed = bytes.slice();
      changed[at]! ^= 0x15;
      for (const stream of [cut, changed]) {
        const [peer, ours] = memoryPair();
        const methods = Object.fromEntries(
          recorded.calls.map(({ method }) => [method, { ...SHAPES[method]!, handle: refuse }]),
        );
        const serving = serveRpc(ours, methods);
        const answers = drain(peer);
        await peer.write(stream);
        await peer.closeWrite();
        await serving; // never rejects
        refused += (await answers) < responses.length ? 1 : 0;
        peer.close();
      }
    }
    assert(refused > 0);
  });
}

Deno.test("changed answers give a value or a typed error, and never leave a call waiting", async () => {
  const { calls } = await recording("gob_router_gateway");
  const [first] = calls;
  const response = fromHex(first!.response_hex);
  let refused = 0;
  for (let at = 0; at < response.length; at++) {
    const changed = response.slice();
    changed[at]! ^= 0x01;
    const [peer, ours] = memoryPair();
    const client = new RpcClient(ours, { world: { clock: new VirtualClock() } });
    const calling = client.call("RPCGateway.ReserveIDs", types.ID_COUNT, 1, types.ROUTE_IDS);
    await peer.write(changed);
    await peer.closeWrite();
    await calling.catch((error) => {
      assert(error instanceof SkyError, `${error}`);
      refused++;
    });
    client.close();
    peer.close();
    await client.closed;
  }
  assert(refused > response.length / 2, `${refused} of ${response.length}`);
});

function served({ error }: { readonly error: string }): boolean {
  return !error.startsWith("rpc: can't find");
}

function refuse(): never {
  throw new RecordedRefusal("no");
}

async function drain(conn: Conn): Promise<number> {
  let count = 0;
  try {
    for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) count += bytes.length;
  } catch {
    // The server reset the connection: as good an end as another here.
  }
  return count;
}
