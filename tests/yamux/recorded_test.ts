/** The recorded conversation of two Go clients with a Go server (2024): read passively, and replayed at us. */
import assert from "node:assert/strict";
import decoded from "../vectors/dmsg/session-decoded.json" with { type: "json" };
import recorded from "../vectors/dmsg/session-recorded.json" with { type: "json" };
import { framesOf, frameText, joined, withBench } from "./support.ts";
import { FrameReader } from "../../lib/yamux/_frame_reader.ts";

type Side = "c2s" | "s2c";
interface Segment {
  readonly dir: string;
  readonly data: string;
}

const CONNECTIONS = ["client_a_to_server", "client_b_to_server"] as const;
/** Frames of the noise handshake in front: messages 1 and 3, message 2. */
const HANDSHAKE_FRAMES = { c2s: 2, s2c: 1 };

/** Everything that one side sent behind its handshake, cut as it was recorded. */
function muxSegments(connection: (typeof CONNECTIONS)[number], side: Side): Uint8Array[] {
  const segments = (recorded.connections[connection] as Segment[]).filter(({ dir }) => dir === side);
  const bytes = joined(segments.map(({ data }) => Uint8Array.fromHex(data)));
  let skip = 0;
  for (let count = 0; count < HANDSHAKE_FRAMES[side]; count++) {
    skip += 2 + (bytes[skip]! << 8 | bytes[skip + 1]!);
  }
  const left: Uint8Array[] = [];
  for (const { data } of segments) {
    const segment = Uint8Array.fromHex(data);
    if (skip < segment.length) left.push(segment.subarray(skip));
    skip = Math.max(0, skip - segment.length);
  }
  return left;
}

function listedFrames(connection: (typeof CONNECTIONS)[number], side: Side): string[] {
  return decoded.connections[connection].mux_frames[side].map(({ type, flags, stream, length }) =>
    [type, flags, stream, length].filter((word) => word !== "").join(" ")
  );
}

let frames = 0;

for (const connection of CONNECTIONS) {
  for (const side of ["c2s", "s2c"] as const) {
    Deno.test(`${connection} ${side}: the recorded bytes are the listed frames, however they are cut`, () => {
      const segments = muxSegments(connection, side);
      const expected = listedFrames(connection, side);
      assert.deepEqual(framesOf(joined(segments)), expected);
      const cut: string[] = [];
      const reader = new FrameReader({
        onHeader: (type, flags, id, length) => cut.push(frameText(type, flags, id, length)),
        onPayload() {},
      });
      for (const byte of joined(segments)) reader.push(Uint8Array.of(byte));
      assert.deepEqual(cut, expected);
      frames += expected.length;
    });

    const role = side === "c2s" ? "server" : "client";
    Deno.test(`${connection} ${side}: our ${role} takes what the Go side sent, byte for byte`, () =>
      withBench({ role }, async ({ session, peer, accepted, settle }) => {
        const expected = listedFrames(connection, side);
        const opened = [
          ...new Set(
            listedFrames(connection, side === "c2s" ? "s2c" : "c2s")
              .filter((frame) => frame.includes("SYN") && !frame.startsWith("ping")),
          ),
        ];
        const own = opened.map(() => session.open());
        const streams = () => new Map([...own, ...accepted].map((stream) => [stream.id, stream]));
        for (const segment of muxSegments(connection, side)) {
          peer.send(segment);
          await settle();
        }
        assert.equal(session.isLive, true, String(session.failure));
        const answers = peer.takeFrames();
        assert.equal(answers.filter((frame) => frame.startsWith("go_away")).length, 0);
        const syns = expected.filter((frame) => frame.startsWith("window_update SYN")).length;
        assert.equal(accepted.length, syns);
        assert.equal(answers.filter((frame) => frame.startsWith("window_update ACK")).length, syns);
        const pings = expected.filter((frame) => frame.startsWith("ping SYN"));
        assert.deepEqual(
          answers.filter((frame) => frame.startsWith("ping ACK")),
          pings.map((frame) => frame.replace("SYN", "ACK")),
        );
        // Every byte of every stream is there to be read.
        for (const [id, stream] of streams()) {
          const length = expected
            .map((frame) => frame.split(" "))
            .filter((words) => words[0] === "data" && words.at(-2) === String(id))
            .reduce((sum, words) => sum + Number(words.at(-1)), 0);
          const ended = expected.some((frame) => frame.startsWith(`window_update FIN ${id} `));
          let got = 0;
          while (got < length) got += (await stream.read())!.length;
          assert.equal(got, length);
          if (ended) assert.equal(await stream.read(), null);
        }
      }));
  }
}

Deno.test("all listed frames were seen", () => {
  const listed = CONNECTIONS.flatMap((name) => [...listedFrames(name, "c2s"), ...listedFrames(name, "s2c")]);
  assert.equal(listed.length, 82);
  assert.equal(frames, 82);
});
