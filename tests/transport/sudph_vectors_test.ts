/**
 * Recorded datagrams of sudph: a dial between two visors, and the sessions of two visors with a resolver. Each is
 * replayed in both roles. The times are those of the recording's machines: what is compared is every segment.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Ledger, silentLog, SkyError } from "../../lib/base/mod.ts";
import { fromHex, toHex } from "../../lib/crypto/mod.ts";
import { Command, encodeSegment, KcpSocket, parseSegments, type Segment } from "../../lib/kcp/mod.ts";
import { kkAccept, kkConnect, noiseConn } from "../../lib/noise/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  acceptAddressHandshake,
  isClaimSigned,
  openAddressHandshake,
  parseClaim,
  parseNonce,
  renderClaim,
} from "../../lib/transport/address_handshake.ts";
import { HOLE_PUNCH, isHolePunch, parseAnnouncement, renderBinding } from "../../lib/transport/sudph/mod.ts";
import { ResolverSession } from "../../lib/transport/sudph/_resolver_session.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { MemoryNet, settled } from "../kcp/support.ts";
import { assertNothingAlive } from "../support/world.ts";
import sessions from "../vectors/services/address-resolver-udp.json" with { type: "json" };
import resolver from "../vectors/transport/address_resolver.json" with { type: "json" };
import dial from "../vectors/transport/kcp_sudph.json" with { type: "json" };
import { alice, pairOf, text } from "./support.ts";

const CONVERSATION = 0x1122_3344;
const a = pairOf(dial.initiator.static_sk);
const b = pairOf(dial.responder.static_sk);
const ephemeral = {
  dialer: pairOf(dial.initiator.ephemeral_sk),
  listener: pairOf(dial.responder.ephemeral_sk),
};

/** What both recordings call a segment. */
interface Recorded {
  readonly conv: number;
  readonly cmd: number;
  readonly frg: number;
  readonly wnd: number;
  readonly ts: number;
  readonly sn: number;
  readonly una: number;
  readonly len: number;
  readonly data?: string;
}

function fields(segment: Segment) {
  const { conversation, command, fragment, window, timestamp, number, unacknowledged, data } = segment;
  return [conversation, command, fragment, window, timestamp, number, unacknowledged, data.length];
}

/** The segments are those that were recorded, and make the same bytes again. */
function checkDatagram(
  bytes: Uint8Array,
  recorded: readonly Recorded[],
  dataOf: (each: Recorded) => Uint8Array,
) {
  const segments = parseSegments(bytes);
  assert.equal(segments.length, recorded.length);
  const again: number[] = [];
  for (const [index, segment] of segments.entries()) {
    const { conv, cmd, frg, wnd, ts, sn, una, len } = recorded[index]!;
    assert.deepEqual(fields(segment), [conv, cmd, frg, wnd, ts, sn, una, len]);
    assert.deepEqual(segment.data, dataOf(recorded[index]!));
    again.push(...encodeSegment(segment, segment.data));
  }
  assert.deepEqual(Uint8Array.from(again), bytes);
}

/** Cut, lengthened, of another command, with a length that lies: none is a datagram. */
function checkMutantsRefused(bytes: Uint8Array) {
  const mutants = [bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), bytes.subarray(0, 23)];
  for (const [at, value] of [[4, 80], [4, 85], [20, bytes[20]! + 1], [21, 0xff], [23, 0x80]] as const) {
    const mutant = bytes.slice();
    mutant[at] = value;
    mutants.push(mutant);
  }
  for (const mutant of mutants) assert.throws(() => parseSegments(mutant), SkyError);
  return mutants.length;
}

Deno.test("datagrams of a recorded dial are taken apart, made again, and refused when damaged", () => {
  let ran = 0, refused = 0;
  for (const { hex, segments } of dial.datagrams) {
    const bytes = fromHex(hex);
    if (segments === undefined) assert.ok(isHolePunch(bytes));
    else {
      checkDatagram(bytes, segments, ({ data }) => fromHex(data!));
      refused += checkMutantsRefused(bytes);
    }
    ran++;
  }
  assert.equal(ran, dial.case_counts.datagrams);
  assert.deepEqual([ran, refused], [11, 80]);
  assert.equal(toHex(HOLE_PUNCH), resolver.holepunch_datagram);
});

Deno.test("datagrams of recorded sessions with a resolver are taken apart, made again, and refused when damaged", () => {
  let ran = 0, refused = 0, punches = 0;
  for (const session of sessions.sessions) {
    for (const { hex, kcp, raw } of session.datagrams) {
      const bytes = fromHex(hex);
      if (kcp === undefined) {
        assert.ok(isHolePunch(bytes) && raw === "holepunch");
        punches++;
      } else {
        checkDatagram(bytes, kcp, ({ data = "" }) => text(data));
        refused += checkMutantsRefused(bytes);
      }
      ran++;
    }
  }
  const { "sessions[0].datagrams": first, "sessions[1].datagrams": second } = sessions.case_counts;
  assert.equal(ran, first + second);
  assert.deepEqual([ran, refused, punches], [29, 27 * 8, 2]);
});

/** Gives what was recorded, then nothing. */
function drawing(...draws: readonly Uint8Array[]): Random {
  const left = [...draws];
  return {
    bytes(length) {
      const next = left.shift();
      assert.equal(next?.length, length, "more is drawn than was recorded");
      return next!;
    },
  };
}

/** A recorded peer at one port, one of ours at another. */
function replay(random: Random) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const net = new MemoryNet({ clock, ledger });
  const peer = net.open("203.0.113.9", 41_234);
  const datagrams = net.open("203.0.113.7", 32_831);
  const world = { clock, ledger, random };
  const sent: Uint8Array[] = [];
  void (async () => {
    for (;;) {
      const datagram = await peer.receive();
      if (datagram === null) return;
      sent.push(datagram.bytes);
    }
  })();
  return {
    world,
    clock,
    net,
    peer,
    datagrams,
    /** What ours sent since the last look, as segments; bare datagrams are apart. */
    look() {
      const seen = sent.splice(0);
      return {
        bare: seen.filter(isHolePunch),
        pushes: seen.filter((each) => !isHolePunch(each)).flatMap(parseSegments)
          .filter(({ command }) => command === Command.push),
      };
    },
    give: (bytes: Uint8Array) => peer.send(bytes, datagrams.address),
    turn: () => clock.advance(15),
    async end(socket: KcpSocket) {
      socket.close(new Error("The test is over"));
      await clock.advance(0);
      peer.close();
      await socket.closed;
      await clock.advance(0);
      assertNothingAlive(ledger);
    },
  };
}

/** Segments with data, of one side of the recorded dial. */
function recordedPushes(dir: string) {
  return dial.datagrams.filter((each) => each.dir === dir).flatMap(({ segments = [] }) => segments)
    .filter(({ cmd }) => cmd === Command.push);
}

Deno.test("the recorded dial, as dialler: every segment of ours, given every datagram of theirs", async () => {
  const { world, clock, look, give, turn, datagrams, peer, end } = replay(new SeededRandom(1));
  const socket = new KcpSocket(datagrams, { world });
  const [f0, f2, noise, data] = recordedPushes("dialer>listener");
  const theirs = dial.datagrams.filter(({ dir }) => dir === "listener>dialer").map(({ hex }) => fromHex(hex));
  const recordedClaim = parseClaim(f2!.data_text);

  socket.sendBare(HOLE_PUNCH, peer.address);
  const session = socket.dial(peer.address, { conversation: CONVERSATION });
  const opening = openAddressHandshake(session, {
    world,
    local: a,
    localPort: recordedClaim.claim.source.port,
    remote: b.publicKey,
  });
  await turn();
  const first = look();
  assert.equal(first.bare.length, 1);
  assert.deepEqual(first.pushes.map(({ data }) => toHex(data)), [f0!.data]);
  await give(theirs[0]!); // an acknowledgement of its own
  await give(theirs[1]!);
  await turn();
  const [claim] = look().pushes;
  const ours = parseClaim(new TextDecoder().decode(claim!.data));
  assert.equal(renderClaim(ours.claim), renderClaim(recordedClaim.claim));
  assert.ok(isClaimSigned(ours.claim, ours.signature));
  assert.deepEqual([claim!.number, claim!.unacknowledged, claim!.window], [1, 1, 32]);

  await give(theirs[2]!);
  await turn();
  const plain = await opening;
  const shaking = kkConnect(plain, {
    local: a,
    remote: b.publicKey,
    ephemeral: ephemeral.dialer,
    clock,
    random: drawing(),
  });
  await turn();
  assert.deepEqual(look().pushes.map(({ data }) => toHex(data)), [noise!.data]);
  await give(theirs[3]!);
  await turn();
  const { conn, result } = await shaking;
  const inside = noiseConn(conn, result.keys);
  await inside.write(PLAINTEXT);
  await turn();
  const [last] = look().pushes;
  assert.deepEqual([last!.number, toHex(last!.data)], [3, data!.data]);
  await give(theirs[4]!);
  await clock.advance(60_000);
  assert.deepEqual(look().pushes, [], "everything is acknowledged: nothing is sent again");
  await end(socket);
});

Deno.test("the recorded dial, as listener: every segment of ours, given every datagram of theirs", async () => {
  const [f1, f3, noise] = recordedPushes("listener>dialer");
  const { world, clock, look, give, turn, datagrams, end } = replay(drawing(parseNonce(f1!.data_text)));
  const bare: Uint8Array[] = [];
  const socket = new KcpSocket(datagrams, {
    world,
    admits: () => true,
    onBare: (bytes) => bare.push(bytes.slice()),
  });
  const theirs = dial.datagrams.filter(({ dir }) => dir === "dialer>listener").map(({ hex }) => fromHex(hex));
  await give(theirs[0]!);
  await give(theirs[1]!);
  const session = await settled(socket.accept(), turn);
  assert.ok(bare.length === 1 && isHolePunch(bare[0]!));
  assert.equal(session!.conversation, CONVERSATION);
  const accepting = acceptAddressHandshake(session!, { world });
  await turn();
  assert.deepEqual(look().pushes.map(({ data }) => toHex(data)), [f1!.data]);
  await give(theirs[2]!);
  const accepted = await settled(accepting, turn);
  assert.equal(accepted.remote, a.publicKey);
  assert.deepEqual(look().pushes.map(({ data }) => toHex(data)), [f3!.data]);
  const shaking = kkAccept(accepted.conn, {
    local: b,
    remote: accepted.remote,
    ephemeral: ephemeral.listener,
    clock,
    random: drawing(),
  });
  await give(theirs[3]!);
  const { conn, result } = await settled(shaking, turn);
  assert.deepEqual(look().pushes.map(({ data }) => toHex(data)), [noise!.data]);
  for (const datagram of theirs.slice(4)) await give(datagram);
  const inside = new ConnReader(noiseConn(conn, result.keys));
  assert.deepEqual(await settled(inside.readExactly(PLAINTEXT.length), turn), PLAINTEXT);
  await clock.advance(60_000);
  assert.deepEqual(look().pushes, []);
  await end(socket);
});

/** What the recorded dialler said through its noise. */
const PLAINTEXT = text("hello over sudph");

for (const { visor, datagrams: recorded, peer: where } of sessions.sessions) {
  const pushes = (dir: string) =>
    recorded.filter((each) => each.dir === dir).flatMap(({ kcp = [] }) => kcp)
      .filter(({ cmd }) => cmd === Command.push);
  const [f1, f3, announcement] = pushes("ar->visor");
  const [, f2, binding, ...messages] = pushes("visor->ar");
  const conversation = new Uint8Array(new Uint32Array([f1!.conv]).buffer);

  Deno.test(`the recorded session of ${visor}, as the visor: bind, heartbeats, a dial that is announced`, async () => {
    const { world, clock, look, give, turn, datagrams, peer, end } = replay({
      bytes: (length) => length === 4 ? conversation.slice() : new Uint8Array(length),
    });
    const socket = new KcpSocket(datagrams, { world });
    const announced: string[] = [];
    const { port, addresses } = JSON.parse(binding!.data!);
    assert.equal(port, where.split(":")[1]);
    const session = new ResolverSession({
      world,
      local: alice,
      socket,
      log: silentLog,
      address: async () => peer.address,
      binding: () => ({ port: Number(port), addresses }),
      onAnnouncement: ({ publicKey, at }) => announced.push(`${publicKey} ${at.hostname}:${at.port}`),
    });
    const over = new AbortController();
    const running = session.run(over.signal);
    running.catch(() => {});
    await turn();
    const [first] = look().pushes;
    assert.deepEqual([first!.conversation, first!.number], [f1!.conv, 0]);
    assert.deepEqual(first!.data, text("get_nonce"));
    const theirs = recorded.filter(({ dir, kcp }) => dir === "ar->visor" && kcp !== undefined);
    await give(fromHex(theirs[0]!.hex));
    await give(fromHex(theirs[1]!.hex));
    await turn();
    const [claim] = look().pushes;
    const { claim: said, signature } = parseClaim(new TextDecoder().decode(claim!.data));
    assert.ok(isClaimSigned(said, signature));
    assert.deepEqual(
      { ...said, source: said.source.port },
      { ...parseClaim(f2!.data!).claim, source: 0 },
    );
    assert.equal(session.isBound, false);
    await give(fromHex(theirs[2]!.hex));
    await turn();
    assert.ok(session.isBound);
    assert.deepEqual(look().pushes.map(({ number, data }) => [number, new TextDecoder().decode(data)]), [
      [2, binding!.data],
      [3, messages[0]!.data],
    ]);
    await give(fromHex(theirs[3]!.hex)); // both are acknowledged at once
    for (let number = 4; number < 10; number++) {
      await clock.advance(9_990);
      const [beat] = look().pushes;
      assert.deepEqual([beat!.number, beat!.data], [number, text("heartbeat")]);
      const acknowledged = { conversation: f1!.conv, command: Command.acknowledge, fragment: 0, window: 32 };
      const { timestamp } = beat!;
      await give(encodeSegment({ ...acknowledged, timestamp, number, unacknowledged: number + 1 }));
      await turn();
    }
    await give(fromHex(theirs.at(-2)!.hex)); // of numbers that were never sent: a lie, here
    await turn();
    const announcing = theirs.find(({ kcp }) => kcp!.some(({ sn, data }) => sn === 2 && data !== undefined));
    if (announcing !== undefined) {
      await give(fromHex(announcing.hex));
      await turn();
      const { PK, Addr } = JSON.parse(announcement!.data!);
      assert.deepEqual(announced, [`${PK} ${Addr}`]);
    }
    over.abort(new DOMException("The visor ends", "AbortError"));
    await turn();
    const last = look().pushes.map(({ data }) => new TextDecoder().decode(data));
    assert.ok(last.includes(messages.at(-1)!.data!), `${last}`);
    assert.equal(messages.at(-1)!.data, "delBind");
    await clock.advance(2_000);
    await assert.rejects(running, { name: "AbortError" });
    await end(socket);
  });

  Deno.test(`the recorded session of ${visor}, as the resolver: its frames, and what the visor says`, async () => {
    const { world, look, give, turn, datagrams, end } = replay(drawing(parseNonce(f1!.data!)));
    const socket = new KcpSocket(datagrams, { world, admits: () => true, acceptedKeepWrites: true });
    const theirs = recorded.filter(({ dir, kcp }) => dir === "visor->ar" && kcp !== undefined);
    await give(fromHex(theirs[0]!.hex));
    const session = await settled(socket.accept(), turn);
    const accepting = acceptAddressHandshake(session!, { world, isListening: (port) => port === 0 });
    await turn();
    assert.deepEqual(look().pushes.map(({ data }) => new TextDecoder().decode(data)), [f1!.data]);
    await give(fromHex(theirs[1]!.hex));
    const accepted = await settled(accepting, turn);
    assert.equal(accepted.remote, parseClaim(f2!.data!).claim.source.publicKey);
    assert.deepEqual(look().pushes.map(({ data }) => new TextDecoder().decode(data)), [f3!.data]);
    for (const { hex } of theirs.slice(2, 5)) await give(fromHex(hex));
    const said = [binding, messages[0], messages[1]].map((each) => each!.data).join("");
    const reader = new ConnReader(accepted.conn);
    assert.equal(new TextDecoder().decode(await settled(reader.readExactly(said.length), turn)), said);
    if (announcement !== undefined) { // the other visor was the one that dialled
      await accepted.conn.write(text(announcement.data!));
      await turn();
      const [sent] = look().pushes;
      assert.deepEqual([sent!.number, sent!.data], [announcement.sn, text(announcement.data!)]);
    }
    await end(socket);
  });
}

Deno.test("a resolver's messages are made and read as recorded", () => {
  let ran = 0;
  for (const { what, text: recorded } of resolver.sudph_session) {
    ran++;
    if (recorded === undefined || !recorded.startsWith("{")) continue;
    const json = JSON.parse(recorded);
    if (json.PK === undefined) {
      assert.equal(renderBinding({ port: Number(json.port), addresses: json.addresses }), recorded);
      continue;
    }
    const { publicKey, at } = parseAnnouncement(recorded);
    assert.deepEqual([publicKey, `${at.hostname}:${at.port}`], [json.PK, json.Addr], what);
    for (
      const [key, value] of [["PK", "02"], ["PK", 7], ["Addr", "x"], ["Addr", "1.2.3.4"], [
        "Addr",
        "1.2.3.4:0",
      ]]
    ) {
      assert.throws(() => parseAnnouncement(JSON.stringify({ ...json, [key as string]: value })), SkyError);
    }
    for (const mutant of ["", "{", "[]", "null", "7", "{}", `"${json.PK}"`]) {
      assert.throws(() => parseAnnouncement(mutant), SkyError);
    }
  }
  assert.equal(ran, resolver.case_counts.sudph_session);
  assert.equal(ran, 5);
});
