/** Frames of `fetch`: read in any pieces; what is none of them is a typed error; a silent visor is taken for gone. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SkyError, TruncatedError } from "../../lib/base/mod.ts";
import {
  ControlAnswerError,
  ControlError,
  encodeFrame,
  FRAME,
  FRAME_TEXT_BYTES_MAX,
  STREAM_SILENCE_MS,
} from "../../lib/control/mod.ts";
import { fetchedAnswer } from "../../lib/control/fetched_body.ts";
import type { BodyReader } from "../../lib/http/mod.ts";
import type { Clock } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";

const HEAD = encodeFrame(
  FRAME.head,
  JSON.stringify({ status: 418, reason: 'Tea "é"', headers: [["X-One", "1"], ["x-one", "2"]] }),
);
const BODY = new Uint8Array(3_000).map((_, index) => index * 7);
const WHOLE = joined(
  encodeFrame(FRAME.beat),
  HEAD,
  encodeFrame(FRAME.data, BODY.subarray(0, 1_000)),
  encodeFrame(FRAME.data),
  encodeFrame(FRAME.beat),
  encodeFrame(FRAME.data, BODY.subarray(1_000)),
  encodeFrame(FRAME.end),
);

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes in pieces; each view is overwritten at the next read, as those of connections are. */
function pieces(bytes: Uint8Array, lengths: readonly number[]): BodyReader {
  let [at, index] = [0, 0];
  let last = new Uint8Array(0);
  return {
    read() {
      last.fill(0xee);
      if (at >= bytes.length) return Promise.resolve(null);
      last = bytes.slice(at, at + Math.max(1, lengths[index++ % lengths.length]!));
      at += last.length;
      return Promise.resolve(last);
    },
  };
}

/** Never fires: time stands still. */
const CLOCK = { timer: () => ({ cancel() {} }) } as unknown as Clock;

async function read(source: BodyReader, clock = CLOCK) {
  let done = 0;
  let left: unknown;
  const answer = await fetchedAnswer("dmsg://x", source, {
    clock,
    hint: "see the doctor",
    leave: (reason) => left ??= reason,
    left: () => left,
    onDone: () => done++,
    failureOf: (text) => new ControlError(text, 200, "GONE", "world"),
  });
  const bytes = await answer.bytes(1 << 20);
  assert.equal(await answer.bodyReader.read(), null, "the end stays");
  assert.deepEqual([done, left], [1, undefined]);
  return { answer, bytes };
}

Deno.test("fetchedAnswer(): status, reason, fields and body as they were, in pieces of any length", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 9 }),
      async (lengths) => {
        const { answer: { status, reason, headers }, bytes } = await read(pieces(WHOLE, lengths));
        assert.deepEqual([status, reason, headers.get("x-one")], [418, 'Tea "é"', "1, 2"]);
        assert.deepEqual(bytes, BODY);
      },
    ),
    { seed: 3, numRuns: 100 },
  ));

const text = (kind: number, content: string) => joined(encodeFrame(kind, content), encodeFrame(FRAME.end));
const long = encodeFrame(FRAME.head, "x".repeat(FRAME_TEXT_BYTES_MAX + 1));
/** What a visor may send, and the error that it is. */
const WRONG:
  readonly (readonly [what: string, bytes: Uint8Array, type: typeof SkyError | typeof ControlError])[] = [
    ["nothing", new Uint8Array(0), TruncatedError],
    ["half of a head", HEAD.subarray(0, 9), TruncatedError],
    ["a head alone", HEAD, TruncatedError],
    ["no end", WHOLE.subarray(0, -5), TruncatedError],
    [
      "an end in the middle of data",
      joined(HEAD, encodeFrame(FRAME.data, BODY).subarray(0, 99)),
      TruncatedError,
    ],
    ["data first", encodeFrame(FRAME.data, BODY), ControlAnswerError],
    ["an end first", encodeFrame(FRAME.end), ControlAnswerError],
    ["a head that is no JSON", text(FRAME.head, "{"), ControlAnswerError],
    ["a head without status", text(FRAME.head, '{"reason":"","headers":[]}'), ControlAnswerError],
    ["a status of 1,000", text(FRAME.head, '{"status":1000,"reason":"","headers":[]}'), ControlAnswerError],
    ["a head that is too long", long.subarray(0, 5), ControlAnswerError],
    ["two heads", joined(HEAD, HEAD), ControlAnswerError],
    ["an unknown kind", joined(HEAD, encodeFrame(9)), ControlAnswerError],
    ["a beat with content", joined(HEAD, encodeFrame(FRAME.beat, "x")), ControlAnswerError],
    ["a failure", encodeFrame(FRAME.error, "it is gone"), ControlError],
    [
      "a failure in the middle",
      joined(HEAD, encodeFrame(FRAME.data, BODY), encodeFrame(FRAME.error, "gone")),
      ControlError,
    ],
  ];

for (const [what, bytes, type] of WRONG) {
  Deno.test(`fetchedAnswer() of ${what} is a ${type.name}`, async () => {
    await assert.rejects(read(pieces(bytes, [4, 1, 90])), (error) => error instanceof type);
  });
}

Deno.test("fetchedAnswer() of bytes that were changed: the same, or a typed error", () =>
  fc.assert(
    fc.asyncProperty(fc.nat(WHOLE.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = WHOLE.slice();
      bytes[at]! ^= change;
      await read(pieces(bytes, [512])).catch((error) => assert(error instanceof SkyError, String(error)));
    }),
    { seed: 4, numRuns: 500 },
  ));

Deno.test("fetchedAnswer(): a visor that says nothing, no beat either, is taken for gone; a beat in time is enough", () =>
  withSimulation(1, async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      /** A frame each `ms`, then nothing. */
      const slow = (frames: Uint8Array[], ms: number): BodyReader & { end(): void } => {
        let end = () => {};
        return {
          end: () => end(),
          read: () =>
            new Promise((resolve, reject) => {
              const frame = frames.shift();
              if (frame !== undefined) clock.timer(ms, () => resolve(frame));
              else end = () => reject(new DOMException("left", "AbortError"));
            }),
        };
      };
      const beats = () => Array.from({ length: 5 }, () => encodeFrame(FRAME.beat));
      const inTime = slow([...beats(), HEAD, ...beats(), encodeFrame(FRAME.end)], STREAM_SILENCE_MS - 1);
      assert.equal((await read(inTime, clock)).answer.status, 418);
      const silent = slow([...beats(), HEAD], 5_000);
      const startedMs = clock.monotonicMs();
      const reading = read(silent, {
        ...clock,
        timer: (ms, then) =>
          clock.timer(ms, () => {
            then();
            silent.end(); // as the connection does
          }),
      } as Clock);
      await assert.rejects(reading, { code: "TIMED_OUT", hint: "see the doctor" });
      assert.equal(clock.monotonicMs() - startedMs, 6 * 5_000 + STREAM_SILENCE_MS);
    });
  }));

Deno.test("fetchedAnswer(): whoever discards the body leaves, once", async () => {
  const reasons: unknown[] = [];
  let done = 0;
  const answer = await fetchedAnswer("dmsg://x", pieces(WHOLE, [200]), {
    clock: CLOCK,
    hint: "see the doctor",
    leave: (reason) => reasons.push(reason),
    left: () => undefined,
    onDone: () => done++,
    failureOf: () => assert.fail(),
  });
  answer.discard();
  answer.discard();
  assert.deepEqual([reasons.length, done], [1, 1]);
  await assert.rejects(() => answer.bodyReader.read(), { name: "AbortError" });
});
