/** Both sides of a SOCKS5 session: methods, time, and what happens to the Conn. */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair, TimedOutError } from "../../../lib/base/mod.ts";
import {
  acceptSocks,
  connectSocks,
  encodeReply,
  refuseRequest,
  refuseSocks,
  replyToDialFailure,
  SOCKS_CONNECT_TIMEOUT_MS,
  SOCKS_HANDSHAKE_TIMEOUT_MS,
  SOCKS_REPLY,
} from "../../../lib/proxy/mod.ts";
import {
  BadAddressError,
  NetworkError,
  NotPermittedError,
  UnreachableError,
} from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";

const TARGET = { hostname: "example.com", port: 443 };
const utf8 = (text: string) => new TextEncoder().encode(text);

interface Bench {
  readonly clock: VirtualClock;
  readonly near: Conn;
  readonly far: Conn;
}

/** A pair; at the end both are closed, and nothing may be alive. */
async function withPair(test: (bench: Bench) => Promise<void>): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ ledger });
  await test({ clock, near, far });
  near.close();
  far.close();
  assert.deepEqual(ledger.live(), {});
}

async function readHex(conn: Conn): Promise<string> {
  let hex = "";
  for (let view = await conn.read(); view !== null; view = await conn.read()) hex += view.toHex();
  return hex;
}

Deno.test("both sides agree on a target, and bytes behind the messages are not lost", () =>
  withPair(async ({ clock, near, far }) => {
    const asked = acceptSocks(far, { clock });
    const connected = connectSocks(near, TARGET, { clock });
    const request = await asked;
    assert.deepEqual(request.target, TARGET);
    const bound = { hostname: "10.0.0.7", port: 5_000 };
    const reply = encodeReply(SOCKS_REPLY.succeeded, bound);
    await request.conn.write(new Uint8Array([...reply, ...utf8("first bytes")]));
    const { conn, bound: told } = await connected;
    assert.deepEqual(told, bound);
    assert.equal(new TextDecoder().decode((await conn.read())!), "first bytes");
    await conn.write(utf8("back"));
    assert.equal(new TextDecoder().decode((await request.conn.read())!), "back");
  }));

Deno.test("which methods are taken", async () => {
  const cases: [admission: object, greeting: string, answer: string][] = [
    [{}, "050100", "0500"],
    [{}, "05020200", "0500"],
    [{}, "050102", "05ff"],
    [{}, "0500", "05ff"],
    [{ passcode: "p" }, "050100", "05ff"],
    [{ passcode: "p" }, "05020002", "0502"],
    [{ passcode: "" }, "050100", "05ff"],
    [{ anybody: true }, "050100", "0500"],
    [{ anybody: true }, "050102", "0502"],
    [{ anybody: true }, "050180", "05ff"],
  ];
  for (const [admission, greeting, answer] of cases) {
    await withPair(async ({ clock, near, far }) => {
      const asked = acceptSocks(far, { clock, admission });
      asked.catch(() => {});
      await near.write(Uint8Array.fromHex(greeting));
      assert.equal((await near.read())!.toHex(), answer, JSON.stringify([admission, greeting]));
      if (answer === "05ff") {
        await assert.rejects(asked, { code: "SOCKS_REQUEST" });
        assert.equal(await near.read(), null, "the refusal ends in order");
      } else {
        near.close(new Error("enough"));
        await assert.rejects(asked);
      }
    });
  }
});

Deno.test("a server lets go of a client that is slow, however it is slow", () =>
  withPair(async ({ clock, near, far }) => {
    const asked = acceptSocks(far, { clock });
    const outcome = assert.rejects(asked, TimedOutError);
    await near.write(Uint8Array.of(5, 255));
    for (let second = 0; second < SOCKS_HANDSHAKE_TIMEOUT_MS / 1_000; second++) {
      await near.write(Uint8Array.of(1)); // one method a second
      await clock.advance(1_000);
    }
    await outcome;
    await assert.rejects(far.read(), { code: "CONN_CLOSED" });
  }));

Deno.test("a client waits for its answer, within a bound", () =>
  withPair(async ({ clock, near, far }) => {
    const outcome = assert.rejects(connectSocks(near, TARGET, { clock }), TimedOutError);
    await clock.advance(SOCKS_CONNECT_TIMEOUT_MS);
    await outcome;
    await assert.rejects(async () => {
      while (await far.read() !== null);
    }, { code: "CONN_RESET" });
  }));

Deno.test("an abort ends either side, and its Conn", () =>
  withPair(async ({ clock, near, far }) => {
    const stop = new AbortController();
    const asked = acceptSocks(far, { clock, signal: stop.signal });
    const connected = connectSocks(near, TARGET, { clock, signal: stop.signal });
    const reason = new Error("stop");
    stop.abort(reason);
    await assert.rejects(asked, reason);
    await assert.rejects(connected, reason);
    for (const conn of [near, far]) await assert.rejects(conn.read());
  }));

Deno.test("a server that chooses another method, or none, is refused", async () => {
  for (const [passcode, answer] of [[undefined, "05ff"], [undefined, "0502"], ["p", "0500"], ["p", "05ff"]]) {
    await withPair(async ({ clock, near, far }) => {
      const connected = connectSocks(near, TARGET, { clock, passcode });
      connected.catch(() => {});
      await far.read();
      await far.write(Uint8Array.fromHex(answer!));
      await assert.rejects(connected, { code: "SOCKS_REFUSED", reply: undefined });
    });
  }
});

Deno.test("a target that fits no field is the caller's error, before a byte is sent", () =>
  withPair(async ({ clock, near, far }) => {
    const target = { hostname: "a".repeat(256), port: 1 };
    await assert.rejects(connectSocks(near, target, { clock }), RangeError);
    await assert.rejects(far.read(), { code: "CONN_RESET" });
  }));

Deno.test("a refusal is told to whoever speaks SOCKS, with a password or without", async () => {
  const networkUnreachable = "05030001000000000000";
  const cases: [sent: string, answer: string][] = [
    ["050100" + "050100030161" + "0050", "0500" + networkUnreachable],
    ["050102" + "0101750170" + "050100030161" + "0050", "0502" + "0100" + networkUnreachable],
  ];
  for (const [sent, answer] of cases) {
    await withPair(async ({ clock, near, far }) => {
      const refused = refuseSocks(far, clock, SOCKS_REPLY.networkUnreachable);
      await near.write(Uint8Array.fromHex(sent));
      assert.equal(await readHex(near), answer);
      await refused;
    });
  }
  await withPair(async ({ clock, near, far }) => {
    const refused = refuseSocks(far, clock, SOCKS_REPLY.networkUnreachable);
    near.close(new Error("gone"));
    await refused; // and does not reject
  });
  await withPair(async ({ near, far }) => {
    near.close(new Error("gone"));
    await refuseRequest(far, SOCKS_REPLY.generalFailure);
  });
});

Deno.test("each failure of a dial has its reply", () => {
  const at = { hostname: "10.0.0.1", port: 80 };
  const unreachable = (why: string) => new UnreachableError(at, { cause: new Error(why) });
  const replies: [unknown, number][] = [
    [unreachable("Connection refused (os error 111)"), 5],
    [
      unreachable(
        "No connection could be made because the target machine actively refused it. (os error 10061)",
      ),
      5,
    ],
    [unreachable("Network is unreachable (os error 101)"), 3],
    [unreachable("A socket operation was attempted to an unreachable network. (os error 10051)"), 3],
    [unreachable("No route to host (os error 113)"), 4],
    [unreachable("failed to lookup address information: Name or service not known"), 4],
    [unreachable("Connection timed out (os error 110)"), 6],
    [new UnreachableError(at), 4],
    [new TimedOutError("The dial", 30_000), 6],
    [new NotPermittedError("Cannot connect"), 2],
    [new BadAddressError("Cannot use the address"), 4],
    [new NetworkError("Cannot open a socket: too many open files"), 1],
    [new Error("a defect"), 1],
    ["text", 1],
  ];
  for (const [error, reply] of replies) assert.equal(replyToDialFailure(error), reply, String(error));
});
