/** What a session takes from a peer that lies, floods or stands still, and what it says to one that does not. @module */
import assert from "node:assert/strict";
import {
  Command,
  encodeSegment,
  Ending,
  HEADER_BYTES,
  KcpEngine,
  MSS_BYTES,
  MTU_BYTES,
  parseSegments,
  RECEIVE_WINDOW_MAX,
  type Segment,
  type SegmentHeader,
  SEND_AHEAD_BYTES_MAX,
  SEND_WINDOW_MAX,
  WINDOW_FIRST,
} from "../../lib/kcp/mod.ts";

const CONVERSATION = 7;

/** An engine, and what it sent since the last look. */
function rig(options: { readonly keepsWrites?: boolean } = {}) {
  const sent: Uint8Array[] = [];
  const engine = new KcpEngine({
    conversation: CONVERSATION,
    send: (datagram) => sent.push(datagram.slice()),
    ...options,
  });
  return {
    engine,
    /** Datagrams since the last look. */
    datagrams: () => sent.splice(0),
    /** Segments since the last look. */
    segments: (): Segment[] => sent.splice(0).flatMap(parseSegments),
    /** The numbers of the pushes since the last look. */
    pushes(): number[] {
      return sent.splice(0).flatMap(parseSegments).filter(({ command }) => command === Command.push)
        .map(({ number }) => number);
    },
  };
}

const PLAIN: SegmentHeader = {
  conversation: CONVERSATION,
  command: Command.push,
  fragment: 0,
  window: WINDOW_FIRST,
  timestamp: 0,
  number: 0,
  unacknowledged: 0,
};

function push(number: number, data: Uint8Array, header: Partial<SegmentHeader> = {}): Uint8Array {
  return encodeSegment({ ...PLAIN, number, ...header }, data);
}

function acknowledge(
  number: number,
  unacknowledged: number,
  header: Partial<SegmentHeader> = {},
): Uint8Array {
  return encodeSegment({ ...PLAIN, command: Command.acknowledge, number, unacknowledged, ...header });
}

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value);

/** The number of bytes that a reader gets. */
function readAll(engine: KcpEngine): number {
  let total = 0;
  for (let view = engine.read(1 << 18); view.length > 0; view = engine.read(1 << 18)) total += view.length;
  return total;
}

Deno.test("a datagram is taken whole or not at all", () => {
  const good = push(0, bytes(10));
  const wrong: [why: string, datagram: Uint8Array][] = [
    ["nothing", new Uint8Array(0)],
    ["less than a header", good.subarray(0, 23)],
    ["data cut off", good.subarray(0, -1)],
    ["data too many", Uint8Array.of(...good, 0)],
    ["another conversation", push(0, bytes(10), { conversation: 8 })],
    [
      "a second segment of another conversation",
      Uint8Array.of(...good, ...push(1, bytes(1), { conversation: 8 })),
    ],
    ["an unknown command below", push(0, bytes(1), { command: 80 })],
    ["an unknown command above", push(0, bytes(1), { command: 85 })],
    ["data in an acknowledgement", push(0, bytes(1), { command: Command.acknowledge })],
    ["more data than a segment has", push(0, bytes(MSS_BYTES + 1))],
    ["an acknowledgement of what was never sent", push(0, bytes(1), { unacknowledged: 1 })],
    ["the same in a second segment", Uint8Array.of(...good, ...push(1, bytes(1), { unacknowledged: 9 }))],
  ];
  const lying = good.slice();
  new DataView(lying.buffer).setUint32(20, 0xffff_ffff, true);
  wrong.push(["a length that comes round", lying]);
  for (const [why, datagram] of wrong) {
    const { engine, datagrams } = rig();
    assert.equal(engine.input(datagram, 0), false, why);
    engine.flush(1_000);
    assert.deepEqual([engine.readable, engine.dueMs, datagrams()], [0, undefined, []], why);
    assert.equal(engine.input(good, 0), true);
    assert.equal(readAll(engine), 10);
  }
});

Deno.test("segments of a message in parts are joined, whatever their order", () => {
  const { engine } = rig();
  const parts = [[2, "c", 0], [0, "a", 2], [1, "b", 1], [3, "d", 0]] as const;
  for (const [number, text, fragment] of parts) {
    const datagram = push(number, new TextEncoder().encode(text), { fragment });
    engine.input(datagram, 0);
    datagram.fill(0); // its buffer is the socket's again
  }
  assert.equal(new TextDecoder().decode(engine.read(100)), "abcd");
});

Deno.test("what is not read bounds what is taken in: in order, out of order, and however small", () => {
  for (const size of [MSS_BYTES, 1]) {
    const { engine, segments } = rig();
    for (let number = 0; number < 2_000; number++) engine.input(push(number, bytes(size)), 0);
    const taken = size === 1 ? 2_000 : WINDOW_FIRST * size;
    assert.equal(engine.readable, taken);
    engine.flush(0);
    const last = segments().at(-1)!;
    assert.equal(last.unacknowledged, Math.min(2_000, size === 1 ? 2_000 : WINDOW_FIRST));
    assert.equal(last.window, size === 1 ? WINDOW_FIRST - 2 : 0);
  }
  const { engine, segments } = rig();
  for (let number = 1; number < 2_000; number++) engine.input(push(number, bytes(MSS_BYTES)), 0);
  for (const far of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) engine.input(push(far, bytes(9)), 0);
  engine.flush(0);
  const told = segments();
  assert.ok(
    told.every(({ number }) => number < WINDOW_FIRST || number === 2 ** 31 || number === 2 ** 32 - 1),
  );
  engine.input(push(0, bytes(MSS_BYTES)), 0);
  assert.equal(readAll(engine), WINDOW_FIRST * MSS_BYTES);
});

Deno.test("a reader that keeps up is given a larger window, up to the bound", () => {
  const { engine, segments } = rig();
  let number = 0;
  for (let windows = 0; windows < 100; windows++) {
    for (let count = 0; count < WINDOW_FIRST; count++) engine.input(push(number++, bytes(MSS_BYTES)), 0);
    readAll(engine);
  }
  engine.flush(0);
  assert.equal(segments().at(-1)!.window, RECEIVE_WINDOW_MAX);
});

Deno.test("a flood of what came before is answered with less than itself, and kept nowhere", () => {
  const { engine, datagrams } = rig();
  engine.input(push(0, bytes(1)), 0);
  let came = 0;
  for (let count = 0; count < 10_000; count++) {
    const again = push(0, bytes(1));
    came += again.length;
    engine.input(again, 0);
  }
  const answers = datagrams();
  assert.ok(answers.length >= 100, "answers wait for nobody's flush");
  engine.flush(10);
  answers.push(...datagrams());
  assert.ok(answers.every(({ length }) => length <= MTU_BYTES));
  assert.ok(answers.reduce((sum, { length }) => sum + length, 0) <= came);
  assert.equal(engine.readable, 1);
});

Deno.test("the peer's window is obeyed, however it changes; a peer that says nothing has 32", () => {
  const { engine, pushes } = rig();
  engine.write(bytes(SEND_AHEAD_BYTES_MAX));
  let now = 0;
  const flush = () => {
    for (let bursts = 0; bursts < 20; bursts++) {
      engine.flush(now);
      engine.write(bytes(SEND_AHEAD_BYTES_MAX));
    }
    return pushes();
  };
  let sent = flush();
  assert.ok(sent.length > 0 && sent.length <= WINDOW_FIRST);
  let acknowledged = 0;
  for (const window of [32, 32, 32, 40, 3, 1, 0, 700, 700, 65_535, 65_535, 65_535, 65_535, 5]) {
    now += 10;
    acknowledged = Math.max(acknowledged, ...sent.map((number) => number + 1));
    engine.input(acknowledge(acknowledged - 1, acknowledged, { window }), now);
    sent = flush();
    const highest = Math.max(acknowledged, ...sent.map((number) => number + 1));
    assert.ok(
      highest - acknowledged <= Math.min(window, SEND_WINDOW_MAX),
      `${highest - acknowledged} of ${window}`,
    );
  }
});

Deno.test("an older datagram that comes late does not open or close the window again", () => {
  const { engine, pushes } = rig();
  engine.write(bytes(20 * MSS_BYTES));
  engine.flush(0);
  const { length } = pushes();
  engine.input(acknowledge(length - 1, length, { window: 0 }), 10);
  engine.input(acknowledge(0, 1, { window: 32 }), 11);
  engine.flush(11);
  assert.deepEqual(pushes(), []);
});

Deno.test("a closed window is asked about after 7 s, then by half as much longer each time, up to 2 min", () => {
  const { engine, segments } = rig();
  engine.write(bytes(20 * MSS_BYTES));
  engine.flush(0);
  const count = segments().length;
  engine.input(acknowledge(count - 1, count, { window: 0 }), 100);
  engine.flush(100);
  const asked: number[] = [];
  for (let turns = 0; asked.length < 9; turns++) {
    assert.ok(turns < 100, "the question was not asked");
    const now = engine.dueMs!;
    engine.flush(now);
    for (const { command } of segments()) {
      assert.equal(command, Command.askWindow);
      asked.push(now);
    }
  }
  const pauses = asked.map((at, index) => at - (asked[index - 1] ?? 100));
  assert.deepEqual(
    pauses,
    [7, 10.5, 15.75, 23.625, 35.4375, 53.15625, 79.734375, 119.6015625, 120].map((s) => s * 1_000),
  );
  engine.input(
    encodeSegment({ ...PLAIN, command: Command.tellWindow, unacknowledged: count, window: 4 }),
    9e6,
  );
  engine.flush(9e6);
  assert.equal(segments().length, 4);
});

Deno.test("who asks is told the window; a reader that makes room again says so by itself", () => {
  const { engine, segments } = rig();
  engine.input(encodeSegment({ ...PLAIN, command: Command.askWindow }), 0);
  engine.flush(0);
  const [told] = segments();
  assert.deepEqual([told!.command, told!.window], [Command.tellWindow, WINDOW_FIRST]);
  for (let number = 0; number < WINDOW_FIRST; number++) engine.input(push(number, bytes(MSS_BYTES)), 0);
  engine.flush(0);
  assert.equal(segments().at(-1)!.window, 0);
  readAll(engine);
  engine.flush(0);
  const again = segments();
  assert.deepEqual(again.map(({ command }) => command), [Command.tellWindow]);
  assert.ok(again[0]!.window >= WINDOW_FIRST);
});

Deno.test("without an answer segments are sent again at 200 ms, and later each time, by at most a minute", () => {
  const { engine, pushes } = rig();
  engine.write(bytes(10));
  engine.flush(0);
  assert.deepEqual(pushes(), [0]);
  let last = 0;
  const pauses: number[] = [];
  for (let count = 0; count < 400; count++) {
    const now = engine.dueMs!;
    engine.flush(now);
    if (pushes().length === 0) continue;
    pauses.push(now - last);
    last = now;
  }
  assert.deepEqual(pauses.slice(0, 3), [200, 400, 600]);
  assert.equal(pauses.at(-1), 60_000);
  assert.ok(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0)));
});

Deno.test("a segment whose successors arrived is sent again before its time-out; one that is merely late is not", () => {
  const { engine, pushes } = rig();
  engine.write(bytes(10 * MSS_BYTES));
  engine.flush(0);
  assert.equal(pushes().length, 10);
  for (const number of [1, 2, 3]) engine.input(acknowledge(number, 0), 40);
  engine.flush(40);
  assert.deepEqual(pushes(), [], "it may be late");
  for (const number of [4, 5]) engine.input(acknowledge(number, 0), 42);
  assert.ok(engine.dueMs! < 100);
  engine.flush(engine.dueMs!);
  assert.deepEqual(pushes(), [0]);
  engine.input(acknowledge(0, 6, { timestamp: 0 }), 60); // its first transmission, after all
  engine.flush(60);
  assert.deepEqual(pushes(), []);
});

Deno.test("writes go into full segments, or stay messages of their own", () => {
  for (const keepsWrites of [false, true]) {
    const { engine, datagrams } = rig({ keepsWrites });
    for (const text of ["{bind}", "heartbeat", "x".repeat(2_000)]) {
      engine.write(new TextEncoder().encode(text));
    }
    engine.flush(0);
    const sent = datagrams();
    const sizes = sent.flatMap(parseSegments).map(({ data }) => data.length);
    assert.deepEqual(sizes, keepsWrites ? [6, 9, 1_376, 624] : [6, 1_376, 633]);
    assert.ok(sent.every(({ length }) => length <= MTU_BYTES && length > HEADER_BYTES));
    assert.ok(sent.flatMap(parseSegments).every(({ fragment }) => fragment === 0));
  }
});

Deno.test("several segments share a datagram, acknowledgements in front", () => {
  const { engine, datagrams } = rig({ keepsWrites: true });
  engine.input(push(0, bytes(3)), 0);
  for (let count = 0; count < 3; count++) engine.write(bytes(10));
  engine.flush(0);
  const [only, ...more] = datagrams();
  assert.equal(more.length, 0);
  assert.deepEqual(parseSegments(only!).map(({ command }) => command), [82, 81, 81, 81]);
});

Deno.test("what came before is acknowledged again: the first time may have been lost", () => {
  const { engine, segments } = rig();
  for (let count = 0; count < 3; count++) {
    engine.input(push(0, bytes(5), { timestamp: count }), 0);
    engine.flush(20);
    const told = segments().map(({ command, number, timestamp }) => [command, number, timestamp]);
    assert.deepEqual(told, [[Command.acknowledge, 0, count]]);
  }
  assert.equal(engine.readable, 5);
});

Deno.test("one segment may wait for company to be acknowledged; a gap and what fills it are told of at once", () => {
  const { engine, segments } = rig();
  const told = (number: number) => {
    engine.input(push(number, bytes(5)), 0);
    engine.flush(0);
    return segments().map(({ number, unacknowledged }) => [number, unacknowledged]);
  };
  assert.deepEqual(told(0), []);
  assert.equal(engine.dueMs, 10);
  assert.deepEqual(told(1), [[0, 2], [1, 2]]);
  assert.deepEqual(told(3), [[3, 2]]);
  assert.deepEqual(told(2), [[2, 4]]);
  assert.deepEqual(told(4), []);
});

Deno.test("the end comes after every byte; data behind it is dropped, and the end needs no room", () => {
  const { engine } = rig();
  for (let number = 0; number < WINDOW_FIRST; number++) engine.input(push(number, bytes(MSS_BYTES)), 0);
  engine.input(push(WINDOW_FIRST, bytes(0)), 0);
  assert.equal(engine.hasEnded, true);
  assert.equal(readAll(engine), WINDOW_FIRST * MSS_BYTES);
  engine.input(push(WINDOW_FIRST + 1, bytes(5)), 0);
  assert.equal(readAll(engine), 0);
});

Deno.test("a reset counts only near what is expected next", () => {
  const reset = (number: number) => push(number, bytes(0), { fragment: Ending.reset });
  for (
    const [number, counts] of [[5, true], [6, true], [5 + RECEIVE_WINDOW_MAX, true], [4, false], [
      0,
      false,
    ]] as const
  ) {
    const { engine } = rig();
    for (let each = 0; each < 5; each++) engine.input(push(each, bytes(1)), 0);
    engine.input(reset(number), 0);
    assert.equal(engine.wasReset, counts, `${number}`);
  }
  for (const number of [6 + RECEIVE_WINDOW_MAX, 2 ** 31, 2 ** 32 - 1]) {
    const { engine } = rig();
    for (let each = 0; each < 5; each++) engine.input(push(each, bytes(1)), 0);
    engine.input(reset(number), 0);
    assert.equal(engine.wasReset, false, `${number}`);
  }
});
