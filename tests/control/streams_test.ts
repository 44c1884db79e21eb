/** Streams of the control API: lines, beats, ends and failures, between its server and its client. */
import assert from "node:assert/strict";
import { LimitError, PeerError, silentLog, untilAborted } from "../../lib/base/mod.ts";
import {
  ControlClient,
  type PingEvent,
  STREAM_BEAT_MS,
  STREAM_SILENCE_MS,
  type StreamInput,
} from "../../lib/control/mod.ts";
import { type AnyHandler, serveHttp } from "../../lib/http/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { STREAM_LINES_MAX, streamed } from "../../lib/visor/_control_streams.ts";
import { type ControlActions, controlHandler, type StreamActions } from "../../lib/visor/control_server.ts";
import { withSimulation } from "../support/world.ts";

const TOKEN = "ab".repeat(32);
const KEY = "02".padEnd(66, "0");
const INPUT: StreamInput<"visorPingWatch"> = { key: KEY };
const never = new AbortController().signal;

class Refused extends PeerError {
  readonly code = "REFUSED_HERE";
}

const reply = (sequence: number): PingEvent => ({ event: "reply", atMs: 1, sequence, roundTripMs: 2 });

interface Rig {
  readonly world: World;
  readonly client: ControlClient;
  readonly logged: string[];
  /** The visor stops. */
  stop(): Promise<void>;
}

function withStream(
  visorPingWatch: StreamActions["visorPingWatch"],
  test: (rig: Rig) => Promise<void>,
  { handler, beats = true }: { readonly handler?: AnyHandler; readonly beats?: boolean } = {},
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
      const logged: string[] = [];
      const stopping = new AbortController();
      const stop = () => {
        stopping.abort(new DOMException("The visor stops", "AbortError"));
        return server.close();
      };
      const ordinary = controlHandler({
        token: TOKEN,
        actions: {} as ControlActions,
        streams: { visorPingWatch } as StreamActions,
        fetch: () => Promise.reject(new TypeError("Nothing is fetched here")),
        stopping: stopping.signal,
        log: { ...silentLog, error: (message, fields) => void logged.push(`${message} ${fields?.cause}`) },
        every(intervalMs, tick) {
          let timer = world.clock.timer(intervalMs, function again() {
            timer = world.clock.timer(intervalMs, again);
            if (beats) tick();
          });
          return () => timer.cancel();
        },
      });
      const server = serveHttp(listener, handler ?? ordinary, { world, closeMs: 500 });
      const control = { address: listener.address, token: TOKEN, publicKey: KEY };
      const client = new ControlClient(control, "/home", world);
      await test({ world, client, logged, stop });
      await client.close();
      await server.close();
    });
  });
}

async function collected<T>(lines: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

Deno.test("a stream gives each line, and ends when its work does", () => {
  const asked: unknown[] = [];
  return withStream(async (input, tell) => {
    asked.push(input);
    tell(reply(1));
    tell(reply(2));
  }, async ({ client }) => {
    const lines = await collected(client.stream("visorPingWatch", { ...INPUT, intervalMs: 300 }, never));
    assert.deepEqual([lines, asked], [[reply(1), reply(2)], [{ key: KEY, intervalMs: 300 }]]);
  });
});

Deno.test("beats keep a stream that has nothing to say up, and are no lines", () =>
  withStream(async (_input, tell, signal) => {
    tell(reply(1));
    await untilAborted(signal);
    tell(reply(9));
  }, async ({ world, client, stop }) => {
    const lines = collected(client.stream("visorPingWatch", INPUT, never));
    await sleep(world.clock, 20 * STREAM_BEAT_MS);
    const startedMs = world.clock.monotonicMs();
    await stop();
    assert.deepEqual(await lines, [reply(1)], "the visor stopped: an orderly end");
    assert(world.clock.monotonicMs() - startedMs < 100, "it waited for nobody");
  }));

Deno.test("a stream without a first line begins with a beat, and fails by its last line then", () =>
  withStream(async (_input, _tell, signal) => {
    for (let beat = 0; beat < 10 && !signal.aborted; beat++) await sleep(clockOf(), STREAM_BEAT_MS);
    throw new Refused("Not for you");
  }, async ({ world, client }) => {
    clock = world.clock;
    await assert.rejects(client.stream("visorPingWatch", INPUT, never).next(), {
      code: "REFUSED_HERE",
      status: 200,
    });
  }));

let clock: World["clock"];
const clockOf = () => clock;

Deno.test("a visor that falls silent, without a beat, is given up on", () =>
  withStream(async (_input, tell, signal) => {
    tell(reply(1));
    await untilAborted(signal);
  }, async ({ world, client }) => {
    const startedMs = world.clock.monotonicMs();
    await assert.rejects(collected(client.stream("visorPingWatch", INPUT, never)), { code: "TIMED_OUT" });
    assert.equal(Math.round(world.clock.monotonicMs() - startedMs), STREAM_SILENCE_MS);
  }, { beats: false }));

Deno.test("a failure before the first line is the answer, a later one the last line", () => {
  let told = 0;
  return withStream((_input, tell) => {
    for (let sequence = 1; sequence <= told; sequence++) tell(reply(sequence));
    return Promise.reject(new Refused("Not for you", { hint: "ask another" }));
  }, async ({ client }) => {
    const refusal = { code: "REFUSED_HERE", fault: "peer", hint: "ask another", message: "Not for you" };
    const stream = () => client.stream("visorPingWatch", INPUT, never);
    await assert.rejects(stream().next(), { ...refusal, status: 502 });
    told = 1;
    const lines = stream();
    assert.deepEqual((await lines.next()).value, reply(1));
    await assert.rejects(lines.next(), { ...refusal, status: 200 });
  });
});

Deno.test("a defect in a stream is in the log, and its text nowhere else", () =>
  withStream(async (_input, tell) => {
    tell(reply(1));
    throw new TypeError("secret detail");
  }, async ({ client, logged }) => {
    const lines = client.stream("visorPingWatch", INPUT, never);
    await lines.next();
    await assert.rejects(lines.next(), { code: "INTERNAL", message: /its log says more/ });
    assert.match(logged.join(), /^A control stream failed .*secret detail$/);
  }));

Deno.test("leaving a stream, or aborting it, ends its work", async () => {
  for (const leave of ["loop", "signal"]) {
    let ended = 0;
    await withStream(async (_input, tell, signal) => {
      tell(reply(1));
      await untilAborted(signal);
      ended++;
    }, async ({ world, client }) => {
      const left = new AbortController();
      const lines = client.stream("visorPingWatch", INPUT, left.signal);
      await lines.next();
      if (leave === "loop") await lines.return();
      else {
        left.abort(new DOMException("Interrupted", "AbortError"));
        await assert.rejects(lines.next(), { name: "AbortError" });
      }
      await sleep(world.clock, 2 * STREAM_BEAT_MS);
      assert.equal(ended, 1, leave);
    });
  }
});

Deno.test("a caller that reads nothing holds a bounded number of lines, and its stream ends", async () => {
  let told = 0;
  let reason: unknown;
  const response = await streamed<number>(async (tell, signal) => {
    while (!signal.aborted) tell(++told);
    reason = signal.reason;
    await untilAborted(signal);
  }, { callerSignal: never, every: () => () => {} });
  assert(reason instanceof LimitError);
  assert.equal(told, STREAM_LINES_MAX + 1);
  const text = await response.text();
  assert.equal(text.trimEnd().split("\n").length, STREAM_LINES_MAX);
});

Deno.test("ControlClient.stream() tells lines of another version, and what is no stream, from a visor's", async () => {
  for (
    const [status, body] of [[200, "[]\n"], [200, '{"event":"none"}\n'], [200, "<html>\n"], [
      404,
      "nothing here",
    ]]
  ) {
    await withStream(() => Promise.reject(), async ({ client }) => {
      const lines = client.stream("visorPingWatch", INPUT, never);
      await assert.rejects(lines.next(), { code: "CONTROL_ANSWER" }, `${body}`);
    }, { handler: () => new Response(body as string, { status: status as number }) });
  }
});
