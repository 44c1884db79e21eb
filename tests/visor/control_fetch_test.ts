/** `dmsg curl --visor`: a request in the running visor's name, from its control API over dmsg to another visor (SV-5). */
import assert from "node:assert/strict";
import { Scope, silentLog, SkyError, TimedOutError } from "../../lib/base/mod.ts";
import { ControlClient, ControlError, type FetchInput } from "../../lib/control/mod.ts";
import { serveDmsgHttp } from "../../lib/dmsg/mod.ts";
import { type BodyReader, type HttpResponse, readAll } from "../../lib/http/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

const MIB = 1024 * 1024;
const BIG = new Uint8Array(4 * MIB + 7).map((_, index) => index * 31 + (index >> 8));
const PIECE = 64 * 1024;

/** What B serves on port 99, and what became of it. */
interface Served {
  /** Bytes that B was asked for. */
  given: number;
  left: number;
  close(): Promise<void>;
}

/** `/big` is some MiB, `/cut` ends in the middle of as many, `/hang` says nothing behind its head, `/echo` what came. */
function serve(fleet: Fleet): Served {
  const scope = new Scope();
  const served: Served = { given: 0, left: 0, close: () => scope[Symbol.asyncDispose]() };
  const bigOf = (until: number): BodyReader => ({
    read() {
      if (served.given >= until) return Promise.resolve(null);
      const view = BIG.subarray(served.given, served.given + PIECE);
      served.given += view.length;
      return Promise.resolve(view);
    },
  });
  serveDmsgHttp({
    client: fleet.running("B").visor.dmsg,
    world: fleet.world("B"),
    scope,
    log: silentLog,
    port: 99,
    handler: {
      async raw({ target, method, headers, body, remote, signal }) {
        if (target === "/big") {
          return { status: 200, headers: [], bodyBytes: BIG.length, body: bigOf(BIG.length) };
        }
        if (target === "/cut") return { status: 200, headers: [], bodyBytes: BIG.length, body: bigOf(MIB) };
        if (target === "/hang") {
          const read = () =>
            new Promise<null>((resolve) => {
              signal.addEventListener("abort", () => resolve(null), { once: true });
            });
          return { status: 200, headers: [], body: { read }, onDone: () => void served.left++ };
        }
        const text = new TextDecoder().decode(await readAll(body, MIB));
        const answer = { target, method, mine: headers.get("x-mine"), text, remote: remote.slice(0, 66) };
        return { status: 418, headers: [["X-Tea", "green"]], body: JSON.stringify(answer) };
      },
    },
  });
  return served;
}

const never = new AbortController().signal;

async function fetched<T>(
  fleet: Fleet,
  name: string,
  input: FetchInput,
  work: (answer: HttpResponse) => Promise<T>,
  signal = never,
): Promise<T> {
  await using client = await ControlClient.open("/home", fleet.world(name));
  return await work(await client.fetch(input, signal));
}

const statusAndText = async (answer: HttpResponse) => [answer.status, await answer.text(MIB)] as const;
const trusting = { configs: { B: { survey_whitelist: [keyOf("A")], reward_address: "2jB" } } };

Deno.test("SV-5: pages for listed keys, in the visor's name: one that is listed reads them, a stranger gets 401", () =>
  withFleet(410, ["A", "B", "C"], async (fleet) => {
    const url = `dmsg://${keyOf("B")}`;
    for (const path of ["/node-info", "/stats/uptime", "/debug/pprof/", "/debug/pprof/heap"]) {
      const [status, text] = await fetched(fleet, "A", { url: url + path }, statusAndText);
      assert.equal(status, 200, path);
      assert.notEqual(text, "", path);
      assert.equal((await fetched(fleet, "C", { url: url + path }, statusAndText))[0], 401, path);
    }
    assert.equal((await fetched(fleet, "C", { url: `${url}:80/health` }, statusAndText))[0], 200);
    const sessions = fleet.running("A").visor.status().dmsg.sessions.length;
    assert(sessions > 0, "they are what they were");
  }, trusting));

Deno.test("the request arrives as it was given, the answer with status, reason and fields; what is no node is typed", () =>
  withFleet(411, ["A", "B"], async (fleet) => {
    const { close } = serve(fleet);
    const at = `dmsg://${keyOf("B")}:99`;
    const input: FetchInput = {
      url: `${at}/echo?a=b`,
      method: "PUT",
      headers: [["X-Mine", "1"]],
      body: new TextEncoder().encode("häl").toBase64(),
    };
    await fetched(fleet, "A", input, async (answer) => {
      const { status, reason, headers } = answer;
      assert.deepEqual([status, reason, headers.get("x-tea")], [418, "status code 418", "green"]);
      const sent = { target: "/echo?a=b", method: "PUT", mine: "1", text: "häl", remote: keyOf("A") };
      assert.deepEqual(await answer.json(MIB), sent);
    });
    await fetched(fleet, "A", { url: `${at}/echo`, method: "HEAD" }, async (answer) => {
      assert.deepEqual([answer.status, await answer.text(MIB)], [418, ""]);
    });
    const failures = [
      [{ url: "dmsg://nobody/" }, "INVALID_DMSG_ADDRESS", "caller"],
      [{ url: `dmsg://${keyOf("B")}:98/` }, "DMSG", undefined],
      [{ url: `${at}/`, method: "a b" }, "HTTP_BAD_REQUEST", "caller"],
      [{ url: `${at}/`, body: "no base64" }, "CONTROL_INPUT", "caller"],
    ] as const;
    for (const [wrong, code, fault] of failures) {
      await assert.rejects(fetched(fleet, "A", wrong, statusAndText), (error) => {
        assert(error instanceof SkyError, String(error));
        if (code !== "DMSG") assert.deepEqual([error.code, error.fault], [code, fault]);
        return true;
      });
    }
    await close();
  }));

Deno.test("a body of some MiB comes as fast as it is read: whoever reads nothing holds the other node up", () =>
  withFleet(412, ["A", "B"], async (fleet) => {
    const served = serve(fleet);
    await fetched(fleet, "A", { url: `dmsg://${keyOf("B")}:99/big` }, async (answer) => {
      const first = (await answer.bodyReader.read())!.slice();
      await fleet.sleep(30_000);
      const given = served.given;
      assert(given < 3 * MIB, `${given} bytes for one that reads nothing`);
      await fleet.sleep(10_000);
      assert.equal(served.given, given, "it waits");
      const rest = await answer.bytes(8 * MIB);
      assert.equal(first.length + rest.length, BIG.length);
      assert.deepEqual(rest.subarray(-9), BIG.subarray(-9));
      assert(rest.every((byte, index) => byte === BIG[first.length + index]), "every byte is what it was");
    });
    await served.close();
  }));

Deno.test("a peer that ends in the middle is a typed error, and so is a visor that stops", () =>
  withFleet(413, ["A", "B"], async (fleet) => {
    const served = serve(fleet);
    const at = `dmsg://${keyOf("B")}:99`;
    await assert.rejects(
      fetched(fleet, "A", { url: `${at}/cut` }, (answer) => answer.bytes(8 * MIB)),
      (error) => error instanceof ControlError && /reset|ended/.test(error.message),
    );
    const startedMs = fleet.nowMs;
    const hanging = assert.rejects(
      fetched(fleet, "A", { url: `${at}/hang` }, (answer) => answer.bytes(MIB)),
      (error) => error instanceof SkyError && !(error instanceof TimedOutError),
    );
    await fleet.sleep(40_000); // longer than a silent visor would be given
    const stopping = fleet.stop("A");
    await hanging;
    await stopping;
    assert(fleet.nowMs - startedMs < 44_000, `${fleet.nowMs - startedMs} ms`);
    await served.close();
  }));

Deno.test("a caller that leaves ends the exchange, also where the other node says nothing", () =>
  withFleet(414, ["A", "B"], async (fleet) => {
    const served = serve(fleet);
    const left = new AbortController();
    const hanging = fetched(
      fleet,
      "A",
      { url: `dmsg://${keyOf("B")}:99/hang` },
      (answer) => answer.bytes(MIB),
      left.signal,
    );
    const ended = assert.rejects(hanging, (error) => error === left.signal.reason);
    await fleet.sleep(7_000);
    left.abort(new DOMException("Ctrl-C", "AbortError"));
    await ended;
    await fleet.until("B is told", () => served.left === 1, 15_000);
    await served.close();
  }));
