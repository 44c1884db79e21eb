/** Recorded bytes of transports: ids, entries, packets, handshakes, settlements and one whole connection. @module */
import assert from "node:assert/strict";
import { SkyError } from "../../lib/base/mod.ts";
import { fromHex, parsePublicKey, publicKeyBytes, sha256, toHex } from "../../lib/crypto/mod.ts";
import { kkAccept, kkConnect, noiseConn } from "../../lib/noise/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";
import {
  acceptAddressHandshake,
  isClaimSigned,
  openAddressHandshake,
  parseClaim,
  parseNonce,
  parseVerdict,
  renderClaim,
  renderNonce,
  renderVerdict,
} from "../../lib/transport/address_handshake.ts";
import { entrySignedBytes } from "../../lib/transport/entry.ts";
import {
  encodePacket,
  isSignedBy,
  packetEndAt,
  packetPayloadAt,
  packetRouteIdAt,
  packetTypeAt,
  parsePacket,
  parsePackets,
  parseSignedEntry,
  parseTransportEntry,
  parseTransportId,
  renderSignedEntry,
  renderTransportEntry,
  setPacketRouteId,
  sortedEdges,
  transportEntry,
  transportId,
  transportIdBytes,
  transportIdFromBytes,
} from "../../lib/transport/mod.ts";
import {
  checkedLabel,
  settleAsInitiator,
  settleAsResponder,
  settlementRefusal,
} from "../../lib/transport/settlement.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import packets from "../vectors/routing/packets.json" with { type: "json" };
import entries from "../vectors/transport/entries.json" with { type: "json" };
import frames from "../vectors/transport/handshake_frames.json" with { type: "json" };
import kkConn from "../vectors/transport/noise_kk_conn.json" with { type: "json" };
import settlement from "../vectors/transport/settlement.json" with { type: "json" };
import stcprConn from "../vectors/transport/stcpr_conn.json" with { type: "json" };
import ids from "../vectors/transport/transport_ids.json" with { type: "json" };
import { bareEnds } from "../support/bare_ends.ts";
import { pairOf, text } from "./support.ts";

const ephemeral1 = pairOf(stcprConn.initiator.ephemeral_sk);
const ephemeral2 = pairOf(stcprConn.responder.ephemeral_sk);
const a = pairOf(stcprConn.initiator.static_sk);
const b = pairOf(stcprConn.responder.static_sk);

/** Gives the recorded nonce, and nothing else. */
const drawing = (nonce: Uint8Array): Random => ({
  bytes(length) {
    assert.equal(length, nonce.length);
    return nonce.slice();
  },
});
const drawsNothing: Random = {
  bytes() {
    throw new Error("Nothing may be drawn here");
  },
};

async function expect(reader: ConnReader, hex: string): Promise<void> {
  assert.equal(toHex(await reader.readExactly(hex.length / 2)), hex);
}

Deno.test("transport ids are the recorded ones, from both sides", () => {
  let ran = 0;
  for (const { key_a, key_b, type, uuid, sorted_edges, sha256: digest, hash_input } of ids.vectors) {
    const [one, two] = [parsePublicKey(key_a), parsePublicKey(key_b)];
    assert.equal(transportId(one, two, type), uuid);
    assert.equal(transportId(two, one, type), uuid);
    assert.deepEqual(sortedEdges(one, two), sorted_edges);
    assert.equal(toHex(sha256(fromHex(hash_input))), digest);
    const id = parseTransportId(uuid.toUpperCase());
    assert.equal(id, uuid);
    assert.equal(transportIdFromBytes(transportIdBytes(id)), uuid);
    ran++;
  }
  assert.equal(ran, ids.case_counts.vectors);
  assert.equal(ran, 60);
});

Deno.test("entries are rendered, parsed and verified as recorded", () => {
  let ran = 0;
  for (const vector of entries.vectors) {
    const [initiator, responder] = [parsePublicKey(vector.initiator), parsePublicKey(vector.responder)];
    const entry = transportEntry(initiator, responder, { type: vector.type, label: vector.label });
    assert.equal(renderTransportEntry(entry), vector.entry_json);
    assert.deepEqual(parseTransportEntry(JSON.parse(vector.entry_json)), entry);
    assert.equal(toHex(entrySignedBytes(entry)), vector.signed_bytes);
    for (const line of [vector.signed_entry_by_initiator_line, vector.signed_entry_by_both_line]) {
      const signed = parseSignedEntry(JSON.parse(line));
      assert.equal(renderSignedEntry(signed), line);
      assert.equal(isSignedBy(signed, initiator), true);
      assert.equal(isSignedBy(signed, responder), line === vector.signed_entry_by_both_line);
      assert.equal(isSignedBy({ ...signed, entry: { ...entry, type: "x" } }, initiator), false);
    }
    assert.equal(vector.signed_entry_by_initiator_line.length, vector.line_len);
    assert.equal(`[${vector.signed_entry_by_both_line.trimEnd()}]\n`, vector.registration_body);
    ran++;
  }
  assert.equal(ran, entries.case_counts.vectors);
  assert.equal(ran, 12);
});

Deno.test("packets of every type are encoded and taken apart as recorded", () => {
  let ran = 0;
  const all: number[] = [];
  for (const { hex, type, route_id, payload_len } of packets.vectors) {
    const bytes = fromHex(hex);
    const packet = parsePacket(bytes);
    assert.deepEqual([packet.type, packet.routeId, packet.payload.length], [type, route_id, payload_len]);
    assert.equal(toHex(encodePacket(type, route_id, packet.payload)), hex);
    assert.deepEqual([packetTypeAt(bytes, 0), packetRouteIdAt(bytes, 0)], [type, route_id]);
    assert.equal(packetEndAt(bytes, 0), bytes.length);
    assert.deepEqual(packetPayloadAt(bytes, 0), packet.payload);
    assert.throws(() => parsePacket(bytes.subarray(0, -1)), SkyError);
    assert.throws(() => parsePacket(Uint8Array.of(...bytes, 0)), SkyError);
    all.push(...bytes);
    ran++;
  }
  assert.equal(ran, 25);
  assert.equal(parsePackets(Uint8Array.from(all)).length, ran);
  const changed = fromHex(packets.vectors[0]!.hex);
  setPacketRouteId(changed, 0, 0xfedc_ba98);
  assert.equal(packetRouteIdAt(changed, 0), 0xfedc_ba98);
});

const HANDSHAKES = [
  { name: "ok", recorded: frames.ok, refusal: undefined },
  { name: "rejected", recorded: frames.rejected, refusal: "not listening on given port" },
  { name: "ar_sudph_bind", recorded: frames.ar_sudph_bind, refusal: undefined },
] as const;

for (const { name, recorded, refusal } of HANDSHAKES) {
  const [, f1, f2, f3] = recorded.events.map(({ text }) => text) as [string, string, string, string];

  Deno.test(`the address handshake ${name}: its frames`, () => {
    assert.equal(renderNonce(parseNonce(f1)), f1);
    const { claim, signature } = parseClaim(f2);
    assert.equal(renderClaim(claim), recorded.f2.signed_text);
    assert.equal(renderClaim(claim, signature), f2);
    assert.equal(toHex(signature), recorded.f2.sig);
    assert.equal(isClaimSigned(claim, signature), true);
    assert.equal(isClaimSigned({ ...claim, nonce: new Uint8Array(16) }, signature), false);
    assert.equal(parseVerdict(f3).refusal, refusal);
    assert.equal(renderVerdict(refusal), f3);
  });

  Deno.test(`the address handshake ${name}: as responder, byte by byte`, async () => {
    const { near, far, clock, end } = bareEnds();
    const random = drawing(parseNonce(f1));
    const { claim } = parseClaim(f2);
    const isListening = () => refusal === undefined;
    const accepting = acceptAddressHandshake(far, { world: { clock, random }, isListening });
    accepting.catch(() => {});
    const reader = new ConnReader(near);
    for (const { dir, hex } of recorded.events) {
      if (dir === "R>I") await expect(reader, hex);
      else for (const byte of fromHex(hex)) await near.write(Uint8Array.of(byte));
    }
    if (refusal !== undefined) await assert.rejects(accepting, { code: "TRANSPORT_HANDSHAKE_FAILED" });
    else {
      const accepted = await accepting;
      assert.equal(accepted.remote, claim.source.publicKey);
      assert.equal(accepted.remotePort, claim.source.port);
      assert.equal(accepted.localPort, claim.destination.port);
      await near.write(Uint8Array.of(0, 49, 7));
      assert.deepEqual(await accepted.conn.read(), Uint8Array.of(0, 49, 7));
    }
    await end();
  });

  Deno.test(`the address handshake ${name}: as initiator`, async () => {
    const { near, far, clock, end } = bareEnds();
    const { claim } = parseClaim(f2);
    const opening = openAddressHandshake(near, {
      world: { clock, random: drawsNothing },
      local: a,
      localPort: claim.source.port,
      remote: claim.destination.publicKey,
      remotePort: claim.destination.port,
    });
    opening.catch(() => {});
    const reader = new ConnReader(far);
    for (const { dir, frame, hex, text: line } of recorded.events) {
      if (dir === "R>I") await far.write(fromHex(hex));
      else if (frame === "f0") await expect(reader, hex);
      else {
        const sent = new TextDecoder().decode(await reader.readExactly(line.length));
        const ours = parseClaim(sent);
        assert.equal(renderClaim(ours.claim), recorded.f2.signed_text);
        assert.equal(isClaimSigned(ours.claim, ours.signature), true);
      }
    }
    if (refusal === undefined) await opening;
    else await assert.rejects(opening, { message: `Handshake rejected: ${refusal}` });
    await end();
  });
}

Deno.test("a connection inside noise KK: every recorded byte, in both roles", async () => {
  for (const role of ["initiator", "responder"] as const) {
    const { near, far, clock, end } = bareEnds();
    const [local, remote, ephemeral] = role === "initiator" ? [a, b, ephemeral1] : [b, a, ephemeral2];
    const options = { local, remote: remote.publicKey, ephemeral, clock, random: drawsNothing };
    const ours = role === "initiator" ? "I>R" : "R>I";
    const shaking = (role === "initiator" ? kkConnect : kkAccept)(near, options);
    const reader = new ConnReader(far);
    for (const { dir, hex } of kkConn.handshake) {
      if (dir === ours) await expect(reader, hex);
      else for (const byte of fromHex(hex)) await far.write(Uint8Array.of(byte));
    }
    const { conn, result } = await shaking;
    assert.equal(result.remote, remote.publicKey);
    const inside = noiseConn(conn, result.keys);
    const insideReader = new ConnReader(inside);
    let ran = 0;
    for (const { dir, plaintext, writes } of kkConn.transport) {
      if (dir === ours) {
        await inside.write(fromHex(plaintext));
        for (const { hex } of writes) await expect(reader, hex);
      } else {
        for (const { hex } of writes) await far.write(fromHex(hex));
        assert.equal(toHex(await insideReader.readExactly(plaintext.length / 2)), plaintext);
      }
      ran++;
    }
    assert.equal(ran, kkConn.case_counts.transport);
    assert.equal(kkConn.handshake.length, kkConn.case_counts.handshake);
    inside.close();
    await end();
  }
});

Deno.test("settlements are judged as recorded, in both roles", async () => {
  let ran = 0;
  for (const [events, type] of [[settlement.ok_stcpr, "stcpr"], [settlement.ok_dmsg, "dmsg"]] as const) {
    const [line, reply] = [fromHex(events[0]!.hex), fromHex(events[1]!.hex)];
    assert.equal(
      checkedLabel(new TextDecoder().decode(line), { local: b, remote: a.publicKey, type }),
      "user",
    );
    const { near, far, clock, end } = bareEnds();
    const settling = settleAsResponder(far, { clock, local: b, remote: a.publicKey, type });
    for (const byte of line) await near.write(Uint8Array.of(byte));
    await expect(new ConnReader(near), toHex(reply));
    assert.equal((await settling).label, "user");
    await end();

    const other = bareEnds();
    const initiating = settleAsInitiator(other.near, {
      clock: other.clock,
      local: a,
      remote: b.publicKey,
      type,
      label: "user",
    });
    const sent = await new ConnReader(other.far).readExactly(line.length);
    assert.equal(
      checkedLabel(new TextDecoder().decode(sent), { local: b, remote: a.publicKey, type }),
      "user",
    );
    await other.far.write(reply);
    await initiating;
    await other.end();
    ran++;
  }
  const { near, far, clock, end } = bareEnds();
  const [line, reply] = settlement.bad_signature.events;
  const settling = settleAsResponder(far, { clock, local: b, remote: a.publicKey, type: "stcpr" });
  settling.catch(() => {});
  await near.write(fromHex(line!.hex));
  await expect(new ConnReader(near), reply!.hex);
  await assert.rejects(settling, { code: "SETTLEMENT_FAILED" });
  await end();
  assert.equal(ran + 1, settlement.case_counts.cases);
});

Deno.test("each byte of a settlement's answer is what it was recorded to mean", async () => {
  const replies = Object.entries(settlement.reply_bytes);
  for (
    const [hex, meaning] of [...replies, ["04", "invalid remote response"], ["ff", "invalid remote response"]]
  ) {
    const expected = meaning!.replace("failure: ", "");
    assert.equal(settlementRefusal(parseInt(hex!, 16)) ?? "ok", expected);
    const { near, far, clock, end } = bareEnds();
    const options = { clock, local: a, remote: b.publicKey, type: "stcpr", label: "user" };
    const settling = settleAsInitiator(near, options);
    await far.write(fromHex(hex!));
    if (expected === "ok") await settling;
    else await assert.rejects(settling, { reason: expected });
    await end();
  }
  assert.equal(replies.length, settlement.case_counts.reply_bytes);
});

for (const role of ["initiator", "responder"] as const) {
  Deno.test(`one whole stcpr connection, as ${role}`, async () => {
    const { near, far, clock, end } = bareEnds();
    const [handshake, noise, settle, ...recordedPackets] = stcprConn.steps.map(({ writes }) => writes);
    const isOurs = ({ dir }: { dir: string }) => dir === (role === "initiator" ? "I>R" : "R>I");
    const peer = new ConnReader(far);
    const nonce = parseNonce(new TextDecoder().decode(fromHex(handshake![1]!.hex)));
    const world = { clock, random: drawing(nonce) };

    // Address handshake: our own f2 has another signature, of the same text
    const addressing = role === "initiator"
      ? openAddressHandshake(near, { world, local: a, localPort: 49_153, remote: b.publicKey })
      : acceptAddressHandshake(near, { world }).then(({ conn, remote }) => {
        assert.equal(remote, a.publicKey);
        return conn;
      });
    for (const [index, write] of handshake!.entries()) {
      if (!isOurs(write)) await far.write(fromHex(write.hex));
      else if (index !== 2) await expect(peer, write.hex);
      else {
        const recordedClaim = parseClaim(new TextDecoder().decode(fromHex(write.hex)));
        const { claim } = parseClaim(new TextDecoder().decode(await peer.readExactly(write.hex.length / 2)));
        assert.deepEqual(claim, recordedClaim.claim);
      }
    }
    const plain = await addressing;

    // Noise: byte for byte
    const [local, remote, ephemeral] = role === "initiator" ? [a, b, ephemeral1] : [b, a, ephemeral2];
    const options = { local, remote: remote.publicKey, ephemeral, clock, random: drawsNothing };
    const shaking = (role === "initiator" ? kkConnect : kkAccept)(plain, options);
    for (const write of noise!) {
      if (isOurs(write)) await expect(peer, write.hex);
      else await far.write(fromHex(write.hex));
    }
    const { conn, result } = await shaking;
    const inside = noiseConn(conn, result.keys);

    // Settlement and packets: theirs as recorded, ours decrypted by what the peer would have
    const keys = { clock, local, remote: remote.publicKey, type: "stcpr" };
    const settling = role === "initiator"
      ? settleAsInitiator(inside, { ...keys, label: "user" })
      : settleAsResponder(inside, keys).then(({ conn, label }) => {
        assert.equal(label, "user");
        return conn;
      });
    for (const write of settle!) {
      if (!isOurs(write)) await far.write(fromHex(write.hex));
      // The line differs by its signature; its length is the recorded one. The byte's frame is the recorded one.
      else if (role === "responder") await expect(peer, write.hex);
      else assert.equal((await peer.readExactly(write.hex.length / 2)).length, write.hex.length / 2);
    }
    const settled = new ConnReader(await settling);
    assert.equal(recordedPackets.length, 2);
    for (const [write] of recordedPackets) {
      const plaintext = packetOf(write!.dir);
      if (isOurs(write!)) {
        await inside.write(fromHex(plaintext));
        await expect(peer, write!.hex);
      } else {
        await far.write(fromHex(write!.hex));
        assert.equal(toHex(await settled.readExactly(plaintext.length / 2)), plaintext);
      }
    }
    inside.close();
    await end();
  });
}

/** The recorded packet of a direction, as the names of the steps write it. */
function packetOf(direction: string): string {
  return direction === "I>R" ? "000000000700097061796c6f61642d31" : "02000000090000";
}

Deno.test("recorded keys are what the files say they are", () => {
  assert.equal(a.publicKey, stcprConn.initiator.static_pk);
  assert.equal(toHex(publicKeyBytes(b.publicKey)), stcprConn.responder.static_pk);
  assert.equal(ephemeral1.publicKey, kkConn.initiator.ephemeral_pk);
  assert.deepEqual(text("get_nonce"), fromHex(frames.ok.events[0]!.hex));
});
