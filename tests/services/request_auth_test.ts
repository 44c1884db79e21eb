/** RequestAuth: what the recordings cannot show: races, replays, streams, many keys (services.md 2). */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { bare, type Question, RateLimit, RequestAuth } from "../../lib/services/hosting/mod.ts";
import { CALLERS_MAX } from "../../lib/services/hosting/rate_limit.ts";
import { SqliteTransportStore } from "../../lib/services/store/mod.ts";
import { pair, signed } from "./service_support.ts";

const [alice, bob] = [pair("alice"), pair("bob")];

class Rig implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly store = new SqliteTransportStore({ clock: new VirtualClock(), ledger: this.ledger });
  readonly auth = new RequestAuth(this.store.nonces);

  question(headers: Record<string, string>, { body = "", remote = "203.0.113.9:1" } = {}): Question {
    const fields = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    return {
      method: "GET",
      path: "/",
      query: "",
      header: (name) => fields.get(name),
      bytes: () => Promise.resolve(new TextEncoder().encode(body)),
      remote,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    assert.deepEqual(this.ledger.live(), {});
  }
}

/** Counts from now on what is asked of the rig's store. */
function countCalls({ store: { nonces } }: Rig): { next: number; take: number } {
  const calls = { next: 0, take: 0 };
  const [next, take] = [nonces.next.bind(nonces), nonces.take.bind(nonces)];
  nonces.next = (key) => {
    calls.next++;
    return next(key);
  };
  nonces.take = (key, from) => {
    calls.take++;
    return take(key, from);
  };
  return calls;
}

Deno.test("of 50 requests with one number at once exactly one is worked on", async () => {
  await using rig = new Rig();
  let handled = 0;
  const headers = signed(alice, 0);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      rig.auth.answer(rig.question(headers), 0, async () => {
        handled++;
        await Promise.resolve();
        return bare(200);
      })),
  );
  assert.equal(handled, 1);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(49).fill(401)]);
  assert.equal(await rig.store.nonces.next(alice.publicKey), 1);
  assert.equal(rig.auth.busy, 0, "no key is waited for");
});

Deno.test("the store is asked for a key's next number once, and each number is taken there", async () => {
  await using rig = new Rig();
  const calls = countCalls(rig);
  for (let nonce = 0; nonce < 5; nonce++) {
    assert.equal((await rig.auth.answer(rig.question(signed(alice, nonce)), 0, () => bare(200))).status, 200);
  }
  assert.deepEqual(calls, { next: 1, take: 5 });
  for (let time = 0; time < 3; time++) { // what came to nothing leaves it as it was
    assert.equal((await rig.auth.answer(rig.question(signed(alice, 5)), 0, () => bare(404))).status, 404);
  }
  assert.deepEqual(calls, { next: 1, take: 8 });
});

Deno.test("numbers are remembered of so many keys, and the one that asked longest ago is asked for again", async () => {
  await using rig = new Rig();
  const auth = new RequestAuth(rig.store.nonces, { guessesMax: 2 });
  const calls = countCalls(rig);
  const ask = async (who: typeof alice, nonce: number) => {
    const before = calls.next;
    assert.equal((await auth.answer(rig.question(signed(who, nonce)), 0, () => bare(200))).status, 200);
    return calls.next - before;
  };
  const carol = pair("carol");
  assert.deepEqual([await ask(alice, 0), await ask(bob, 0), await ask(alice, 1)], [1, 1, 0]);
  assert.deepEqual([await ask(carol, 0), await ask(alice, 2), await ask(bob, 1)], [1, 0, 1]);
});

Deno.test("where another instance took a number, this one is told so by the store, right or wrong the signature", async () => {
  await using rig = new Rig();
  const other = new RequestAuth(rig.store.nonces);
  const handled: number[] = [];
  const ask = (auth: RequestAuth, nonce: number, headers = signed(alice, nonce)) =>
    auth.answer(rig.question(headers), 0, () => {
      handled.push(nonce);
      return bare(200);
    });
  assert.equal((await ask(rig.auth, 0)).status, 200);
  assert.equal((await ask(other, 1)).status, 200);
  const forged = { ...signed(alice, 1), "SW-Sig": signed(bob, 1)["SW-Sig"]! };
  assert.match((await ask(rig.auth, 1, forged)).body, /SW-Nonce does not match/);
  assert.match((await ask(rig.auth, 1)).body, /SW-Nonce does not match/);
  assert.match((await ask(rig.auth, 1)).body, /SW-Nonce does not match/);
  assert.equal((await ask(rig.auth, 2)).status, 200);
  const wrong = { ...signed(alice, 3), "SW-Sig": signed(bob, 3)["SW-Sig"]! };
  assert.match((await ask(rig.auth, 3, wrong)).body, /Recovered pubkey does not match/);
  assert.equal((await ask(other, 3)).status, 200);
  assert.deepEqual(handled, [0, 1, 2, 3]);
});

Deno.test("a replay is refused before its signature costs anything", async () => {
  await using rig = new Rig();
  for (const nonce of [0, 1]) await rig.auth.answer(rig.question(signed(alice, nonce)), 0, () => bare(200));
  const replay = rig.question(signed(alice, 1));
  const answer = await rig.auth.answer({ ...replay, bytes: () => assert.fail("its body is read") }, 0, () => {
    return bare(200);
  });
  assert.match(answer.body, /SW-Nonce does not match/);
});

Deno.test("one key's slow request holds up no other key", async () => {
  await using rig = new Rig();
  let release!: () => void;
  const held = new Promise<void>((resolve) => release = resolve);
  const slow = rig.auth.answer(rig.question(signed(alice, 0)), 0, async () => {
    await held;
    return bare(200);
  });
  const quick = await rig.auth.answer(rig.question(signed(bob, 0)), 0, () => bare(200));
  assert.equal(quick.status, 200);
  release();
  assert.equal((await slow).status, 200);
});

Deno.test("only a status of exactly 200 raises the number", async () => {
  await using rig = new Rig();
  for (const status of [201, 204, 301, 400, 401, 404, 409, 429, 500, 503]) {
    await rig.auth.answer(rig.question(signed(alice, 0)), 0, () => bare(status));
    assert.equal(await rig.store.nonces.next(alice.publicKey), 0, `${status}`);
  }
  const failing = rig.auth.answer(
    rig.question(signed(alice, 0)),
    0,
    () => Promise.reject(new Error("a bug")),
  );
  await assert.rejects(failing, /a bug/);
  assert.equal(await rig.store.nonces.next(alice.publicKey), 0);
  await rig.auth.answer(rig.question(signed(alice, 0)), 0, () => bare(200));
  assert.equal(await rig.store.nonces.next(alice.publicKey), 1);
  assert.equal(rig.auth.busy, 0);
});

Deno.test("a signature that is none is shown to its caller, the first 260 characters of it", async () => {
  await using rig = new Rig();
  for (const [text, why] of [["ab", "Invalid signature length"], ["zz", "Invalid signature"]] as const) {
    for (const chars of [2, 258, 260, 262, 8_000]) {
      const given = text.repeat(chars / 2);
      const headers = { ...signed(alice, 0), "SW-Sig": given };
      const answer = await rig.auth.answer(rig.question(headers), 0, () => assert.fail("it proves nothing"));
      assert.equal(answer.status, 401);
      const shown = given.slice(0, 260);
      assert.ok(answer.body.includes(`error parsing SW-Sig:'${shown}': ${why}`), `${chars}: ${answer.body}`);
    }
  }
});

Deno.test("over dmsg the stream's key is the caller, whatever the headers say, and nothing is counted", async () => {
  await using rig = new Rig();
  for (
    const headers of [{}, signed(bob, 0), { "SW-Public": "zz" }, { ...signed(alice, 0), "SW-Sig": "00" }]
  ) {
    const question = rig.question(headers as Record<string, string>, { remote: `${alice.publicKey}:49153` });
    let caller: string | undefined;
    const answer = await rig.auth.answer(question, 0, ({ key }) => {
      caller = key;
      return bare(200);
    });
    assert.deepEqual([answer.status, caller], [200, alice.publicKey]);
  }
  assert.equal(await rig.store.nonces.next(alice.publicKey), 0);
  const text = rig.question({}, { remote: `x${alice.publicKey}:1` });
  assert.equal((await rig.auth.answer(text, 0, () => bare(200))).status, 401, "no stream's address");
});

Deno.test("forged requests are refused before the body is taken for the caller's, and hold no place", async () => {
  await using rig = new Rig();
  let handled = 0;
  const forged = { ...signed(bob, 0, "{}"), "SW-Public": alice.publicKey };
  const answers = await Promise.all(
    Array.from({ length: 100 }, () =>
      rig.auth.answer(rig.question(forged, { body: "{}" }), 10, () => {
        handled++;
        return bare(200);
      })),
  );
  assert.ok(answers.every(({ status }) => status === 401));
  assert.deepEqual([handled, rig.auth.busy], [0, 0]);
});

Deno.test("numbers of any length end in an answer", async () => {
  await using rig = new Rig();
  const said = async (nonce: string) =>
    (await rig.auth.answer(rig.question({ ...signed(alice, 0), "SW-Nonce": nonce }), 0, () => bare(200)))
      .body;
  assert.match(await said("9".repeat(10_000)), /value out of range/);
  assert.match(await said("18446744073709551615"), /SW-Nonce does not match/);
  for (const nonce of ["-1", "+0", "0x0", " 0", "1e3", "٣"]) {
    assert.match(await said(nonce), /invalid syntax/);
  }
  assert.equal(await said(`${"0".repeat(5_000)}`), "", "zeros are zero");
});

Deno.test("forgotten keys: an old request is not good again, and a new key goes on above it", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock();
  await using store = new SqliteTransportStore({ clock, ledger, noncesMax: 100 });
  const auth = new RequestAuth(store.nonces);
  const rig = new Rig();
  const first = signed(alice, 0);
  assert.equal((await auth.answer(rig.question(first), 0, () => bare(200))).status, 200);
  for (let index = 0; index < 150; index++) {
    await clock.advance(1);
    const { publicKey } = pair(`stranger ${index}`);
    assert.equal(await store.nonces.take(publicKey, await store.nonces.next(publicKey)), true);
  }
  assert.ok(await store.nonces.next(bob.publicKey) >= 1, "keys were forgotten, so that nobody starts at 0");
  const next = await store.nonces.next(alice.publicKey);
  assert.ok(next >= 1, `${next}`);
  assert.equal((await auth.answer(rig.question(first), 0, () => bare(200))).status, 401, "a replay");
  const answer = await auth.answer(rig.question(signed(alice, next)), 0, () => bare(200));
  assert.equal(answer.status, 200, "its owner asks, and goes on");
  await rig[Symbol.asyncDispose]();
});

Deno.test("RateLimit remembers 10,000 callers and forgets the one not seen for longest", () => {
  const limit = new RateLimit({ monotonicMs: () => 0 }, { perMinute: 30, burst: 2 });
  assert.equal(limit.waitMs("early"), 0);
  assert.equal(limit.waitMs("early"), 0);
  assert.equal(limit.waitMs("early"), 2_000);
  for (let caller = 1; caller < CALLERS_MAX; caller++) limit.waitMs(`caller ${caller}`);
  assert.equal(limit.size, CALLERS_MAX);
  assert.equal(limit.waitMs("early"), 2_000, "seen just now: it stays");
  limit.waitMs("one more");
  assert.equal(limit.size, CALLERS_MAX);
  for (let caller = 2; caller < CALLERS_MAX; caller++) limit.waitMs(`newer ${caller}`);
  assert.equal(limit.size, CALLERS_MAX);
  assert.equal(limit.waitMs("early"), 2_000, "not the one longest unseen yet");
  for (let caller = 1; caller < CALLERS_MAX + 1; caller++) limit.waitMs(`newest ${caller}`);
  assert.equal(limit.waitMs("early"), 0, "forgotten: it starts anew");
});
