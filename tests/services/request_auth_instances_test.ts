/**
 * RequestAuth where several instances share one Redis: clients that go from one to the other, two with one key, instances
 * that start again, a Redis that lost everything. Against a model of one counter: services.md 2.3, 2.4.
 */
import assert from "node:assert/strict";
import { LimitError } from "../../lib/base/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { bare, type Question, RequestAuth } from "../../lib/services/hosting/mod.ts";
import { RedisTransportStore } from "../../lib/services/store/redis/mod.ts";
import { pair, signed } from "./service_support.ts";
import { onRedis } from "./store/store_under_test.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const WRONG_NONCE = /SW-Nonce does not match/;

function question(headers: Record<string, string>, { isTooLarge = false } = {}): Question {
  const fields = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    method: "GET",
    path: "/",
    query: "",
    header: (name) => fields.get(name),
    bytes: () =>
      isTooLarge ? Promise.reject(new LimitError("too large")) : Promise.resolve(new Uint8Array(0)),
    remote: "203.0.113.9:1",
  };
}

const forged = (nonce: number) => ({ ...signed(alice, nonce), "SW-Sig": signed(bob, nonce)["SW-Sig"]! });

/** Instances of a service, each with connections of its own. */
class Instances implements AsyncDisposable {
  readonly stores: RedisTransportStore[] = [];
  readonly auths: RequestAuth[] = [];
  /** Numbers of requests that were answered with 200, in their order. */
  spent: number[] = [];

  static async start(url: string, count: number): Promise<Instances> {
    const instances = new Instances();
    for (let at = 0; at < count; at++) {
      instances.stores.push(await RedisTransportStore.open({ url, poolSize: 1 }));
    }
    for (const { nonces } of instances.stores) instances.auths.push(new RequestAuth(nonces));
    return instances;
  }

  restart(at: number): void {
    this.auths[at] = new RequestAuth(this.stores[at]!.nonces);
  }

  async ask(at: number, asked: Question, status = 200): Promise<string> {
    let isHandled = false;
    const number = Number(asked.header("sw-nonce"));
    const answer = await this.auths[at]!.answer(asked, 0, async () => {
      isHandled = true;
      await Promise.resolve();
      if (status === 0) throw new TypeError("a bug");
      if (status === 200) this.spent.push(number);
      return bare(status);
    }).catch((error) => {
      if (error instanceof LimitError) return { status: 413, body: "" };
      if (error instanceof TypeError) return { status: 0, body: "" };
      throw error;
    });
    assert.equal(
      isHandled,
      answer.status === status && answer.status !== 401,
      `${answer.status} ${answer.body}`,
    );
    return `${answer.status} ${answer.body}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.stores) await store[Symbol.asyncDispose]();
  }
}

for (const seed of ["one", "two", "three"]) {
  onRedis(
    `instances on one Redis are one counter, whatever comes to which of them (seed ${seed})`,
    async (redis) => {
      const random = new SeededRandom(seed);
      const below = (count: number) => random.bytes(1)[0]! % count;
      await using instances = await Instances.start(redis.url, 3);
      let next = 0;
      const ran = new Set<string>();
      for (let turn = 0; turn < 400; turn++) {
        const at = below(3);
        const passed = next - 1 - below(4);
        const what = [
          "right",
          "right",
          "right",
          "came to nothing",
          "threw",
          "passed",
          "future",
          "forged",
        ][below(8)]!;
        const rare = [
          "forged and passed",
          "too large",
          "too large and passed",
          "twice at once",
          "restart",
          "flush",
        ];
        const chosen = turn % 150 === 149 ? "flush" : below(3) === 0 ? rare[below(5)]! : what;
        const say = `turn ${turn}: ${chosen}, next ${next}`;
        const before = instances.spent.length;
        let isSpent = false;
        if (chosen === "right") {
          assert.match(await instances.ask(at, question(signed(alice, next))), /^200/, say);
          isSpent = true;
        } else if (chosen === "came to nothing") {
          assert.match(
            await instances.ask(at, question(signed(alice, next)), below(2) ? 201 : 404),
            /^(201|404)/,
            say,
          );
        } else if (chosen === "threw") {
          assert.match(await instances.ask(at, question(signed(alice, next)), 0), /^0/, say);
        } else if (chosen === "future") {
          assert.match(
            await instances.ask(at, question(signed(alice, next + 1 + below(3)))),
            WRONG_NONCE,
            say,
          );
        } else if (chosen === "forged") {
          assert.match(await instances.ask(at, question(forged(next))), /401.*Recovered pubkey/, say);
        } else if (chosen === "too large") {
          assert.match(
            await instances.ask(at, question(signed(alice, next), { isTooLarge: true })),
            /^413/,
            say,
          );
        } else if (chosen === "twice at once") {
          const asked = [at, (at + 1) % 3, at].map((each) =>
            instances.ask(each, question(signed(alice, next)))
          );
          const answers = await Promise.all(asked);
          assert.equal(answers.filter((answer) => answer.startsWith("200")).length, 1, say);
          assert.equal(answers.filter((answer) => WRONG_NONCE.test(answer)).length, 2, say);
          isSpent = true;
        } else if (chosen === "restart") instances.restart(at);
        else if (chosen === "flush") {
          await redis.client.flushall();
          next = 0;
          instances.spent = [];
          ran.add(chosen);
          continue;
        } else if (passed >= 0) {
          const isTooLarge = chosen === "too large and passed";
          const headers = chosen === "forged and passed" ? forged(passed) : signed(alice, passed);
          assert.match(await instances.ask(at, question(headers, { isTooLarge })), WRONG_NONCE, say);
        }
        assert.equal(instances.spent.length - before, isSpent ? 1 : 0, say);
        if (isSpent) next++;
        ran.add(chosen);
        assert.match(
          (await instances.auths[below(3)]!.nonce(alice.publicKey)).body,
          new RegExp(`"next_nonce":${next}}`),
          say,
        );
      }
      assert.deepEqual(instances.spent, Array.from({ length: next }, (_, number) => number));
      assert.ok(ran.size === 12, [...ran].join());
    },
  );
}

onRedis("two clients with one key, each at its own instance, get on by asking once more", async (redis) => {
  await using instances = await Instances.start(redis.url, 2);
  let asked = 0;
  const client = async (at: number) => {
    let own = 0;
    for (let good = 0; good < 40;) {
      asked++;
      const answer = await instances.ask(at, question(signed(alice, own)));
      if (answer.startsWith("200")) {
        good++;
        own++;
        continue;
      }
      assert.match(answer, WRONG_NONCE);
      own = JSON.parse((await instances.auths[at]!.nonce(alice.publicKey)).body as string).next_nonce;
    }
  };
  await Promise.all([client(0), client(1)]);
  assert.deepEqual(instances.spent, Array.from({ length: 80 }, (_, number) => number), `${asked} requests`);
  for (const at of [0, 1]) {
    for (const number of [0, 39, 78, 79]) {
      assert.match(await instances.ask(at, question(signed(alice, number))), WRONG_NONCE);
    }
  }
});

onRedis(
  "after a Redis that lost everything numbers begin again, and an instance that remembers none of them does, too",
  async (redis) => {
    await using instances = await Instances.start(redis.url, 2);
    for (let number = 0; number < 3; number++) {
      assert.match(await instances.ask(0, question(signed(alice, number))), /^200/);
    }
    await redis.client.flushall();
    assert.match(
      await instances.ask(0, question(signed(alice, 3))),
      WRONG_NONCE,
      "what it remembers is asked of Redis",
    );
    assert.match(await instances.ask(0, question(forged(3))), WRONG_NONCE);
    for (const at of [0, 1]) assert.match(await instances.ask(at, question(signed(alice, at))), /^200/);
    assert.match(await instances.ask(0, question(signed(alice, 1))), WRONG_NONCE);
  },
);
