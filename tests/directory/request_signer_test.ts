/** RequestSigner: one number per service and key, one request at a time (services.md 2.3). */
import assert from "node:assert/strict";
import { keyPairFromSeed, parseSignature, verify } from "../../lib/crypto/mod.ts";
import {
  RequestSigner,
  RequestSigners,
  ServiceAnswerError,
  type SignedExchange,
} from "../../lib/directory/mod.ts";

const local = keyPairFromSeed(new TextEncoder().encode("a visor"));
type Headers = readonly (readonly [string, string])[];

/** A service that counts as real ones do. */
class Counting {
  next = 0n;
  status = 200;
  asked = 0;
  readonly seen: string[] = [];
  underWay = 0;
  mostUnderWay = 0;

  request(body?: string): SignedExchange {
    return {
      body,
      askNonce: (path) => {
        assert.equal(path, `/security/nonces/${local.publicKey}`);
        this.asked++;
        return Promise.resolve({ status: 200, text: `{"edge":"x","next_nonce":${this.next}}\n` });
      },
      exchange: async (headers: Headers) => {
        this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
        await Promise.resolve();
        this.underWay--;
        const { "SW-Public": key, "SW-Nonce": nonce, "SW-Sig": signature } = Object.fromEntries(headers);
        this.seen.push(nonce!);
        assert.equal(key, local.publicKey);
        const payload = new TextEncoder().encode(`${body ?? ""}${nonce}`);
        assert.ok(verify(local.publicKey, parseSignature(signature!), payload));
        if (nonce !== `${this.next}`) {
          return { status: 401, text: `{"error":{"message":"SW-Nonce does not match","code":401}}\n` };
        }
        if (this.status === 200) this.next++;
        return { status: this.status, text: "" };
      },
    };
  }
}

Deno.test("the number is asked once, and raised by 200 alone", async () => {
  const [service, signer] = [new Counting(), new RequestSigner(local)];
  service.next = 2n ** 63n; // exact beyond what a number of JavaScript holds
  for (const status of [200, 201, 404, 200]) {
    service.status = status;
    assert.equal((await signer.send(service.request("{}\n"))).status, status);
  }
  assert.deepEqual(service.seen, ["9223372036854775808", ...Array(3).fill("9223372036854775809")]);
  assert.equal(service.asked, 1);
});

Deno.test("a 401 for the number is repaired once, with the service's own", async () => {
  const [service, signer] = [new Counting(), new RequestSigner(local)];
  await signer.send(service.request());
  service.next = 7n; // somebody else asked with this key
  assert.equal((await signer.send(service.request())).status, 200);
  assert.deepEqual([service.seen, service.asked], [["0", "1", "7"], 2]);
});

Deno.test("another 401, and a number that stays wrong, are the caller's to know", async () => {
  const signer = new RequestSigner(local);
  let exchanges = 0;
  const refusing = (text: string): SignedExchange => ({
    body: undefined,
    askNonce: () => Promise.resolve({ status: 200, text: `{"next_nonce": 3}` }),
    exchange: () => {
      exchanges++;
      return Promise.resolve({ status: 401, text });
    },
  });
  assert.equal((await signer.send(refusing("Recovered pubkey does not match pubkey"))).status, 401);
  assert.equal(exchanges, 1);
  assert.equal((await signer.send(refusing("SW-Nonce does not match"))).status, 401);
  assert.equal(exchanges, 3, "twice, and no more");
});

Deno.test("requests go one by one, each with its own number", async () => {
  const [service, signer] = [new Counting(), new RequestSigner(local)];
  await Promise.all(Array.from({ length: 20 }, () => signer.send(service.request())));
  assert.deepEqual(service.seen, Array.from({ length: 20 }, (_, index) => `${index}`));
  assert.deepEqual([service.mostUnderWay, service.asked], [1, 1]);
});

Deno.test("after a request that failed on its way the number is asked anew", async () => {
  const [service, signer] = [new Counting(), new RequestSigner(local)];
  const lost = { ...service.request(), exchange: () => Promise.reject(new Error("reset")) };
  await assert.rejects(signer.send(lost), /reset/);
  service.next = 1n; // it had arrived
  assert.equal((await signer.send(service.request())).status, 200);
  assert.deepEqual(service.seen, ["1"]);
});

Deno.test("who waits for its turn can leave, and holds up nobody", async () => {
  const [service, signer] = [new Counting(), new RequestSigner(local)];
  let release!: () => void;
  const held = new Promise<void>((resolve) => release = resolve);
  const slow = signer.send({
    ...service.request(),
    exchange: async (headers) => {
      await held;
      return service.request().exchange(headers);
    },
  });
  const leaving = new AbortController();
  const waiting = signer.send(service.request(), leaving.signal);
  const third = signer.send(service.request());
  leaving.abort(new Error("left"));
  await assert.rejects(waiting, /left/);
  await assert.rejects(signer.send(service.request(), leaving.signal), /left/);
  release();
  assert.deepEqual([(await slow).status, (await third).status], [200, 200]);
  assert.deepEqual(service.seen, ["0", "1"]);
});

Deno.test("onlyWhenAsked signs nothing until it is refused for that, and everything from then on", async () => {
  const service = new Counting();
  const signer = new RequestSigner(local, { onlyWhenAsked: true });
  let unsigned = 0;
  const bare = (status: number): SignedExchange => {
    const request = service.request();
    return {
      ...request,
      exchange: (headers) => {
        if (headers.length > 0) return request.exchange(headers);
        unsigned++;
        return Promise.resolve({ status, text: `{"error":{"message":"SW-Public missing","code":401}}` });
      },
    };
  };
  assert.equal((await signer.send(bare(404))).status, 404);
  assert.equal(service.asked, 0);
  assert.equal((await signer.send(bare(401))).status, 200);
  assert.equal((await signer.send(bare(401))).status, 200);
  assert.deepEqual([unsigned, service.seen], [2, ["0", "1"]]);
});

Deno.test("a service that tells no number is a ServiceAnswerError", async () => {
  const answers = [
    { status: 404, text: "404 page not found" },
    { status: 200, text: "{}" },
    { status: 200, text: `{"next_nonce":-1}` },
    { status: 200, text: `{"next_nonce":"1"}` },
    { status: 200, text: `{"next_nonce":${"9".repeat(30)}}` },
  ];
  for (const answer of answers) {
    const request = { ...new Counting().request(), askNonce: () => Promise.resolve(answer) };
    await assert.rejects(new RequestSigner(local).send(request), ServiceAnswerError);
  }
});

Deno.test("RequestSigners gives one signer per service", () => {
  const signers = new RequestSigners(local);
  assert.equal(signers.of("http://one"), signers.of("http://one"));
  assert.notEqual(signers.of("http://one"), signers.of("http://two"));
});
