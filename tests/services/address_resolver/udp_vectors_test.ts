/** What real visors and a real resolver said to each other over UDP, replayed at both ends of ours (SV-3). */
import assert from "node:assert/strict";
import { memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { parsePublicKey, SecretKey } from "../../../lib/crypto/mod.ts";
import { readResolved } from "../../../lib/directory/mod.ts";
import { Command, encodeSegment, KcpSocket, parseSegments, type Segment } from "../../../lib/kcp/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import { UdpSession } from "../../../lib/services/address_resolver/_udp_session.ts";
import { createAddressResolver, UdpSide } from "../../../lib/services/address_resolver/mod.ts";
import { SqliteBindingStore } from "../../../lib/services/store/mod.ts";
import { JsonFrames, openAddressHandshake } from "../../../lib/transport/mod.ts";
import { parseNonce } from "../../../lib/transport/address_handshake.ts";
import {
  HEARTBEAT,
  HOLE_PUNCH,
  parseAnnouncement,
  renderBinding,
  UNBIND,
} from "../../../lib/transport/sudph/mod.ts";
import { withSimulation } from "../../support/world.ts";
import recorded from "../../vectors/services/address-resolver-udp.json" with { type: "json" };
import keys from "../../vectors/services/keys.json" with { type: "json" };
import said from "../../vectors/transport/address_resolver.json" with { type: "json" };
import { ask, pair } from "../service_support.ts";

type Session = typeof recorded.sessions[number];

/** Its datagrams of one direction, decoded; hole punches apart. */
function datagramsOf(session: Session, direction: "visor->ar" | "ar->visor"): Uint8Array[] {
  return session.datagrams.filter(({ dir, hex }) => dir === direction && hex !== HOLE_PUNCH.toHex())
    .map(({ hex }) => Uint8Array.fromHex(hex));
}

/** What was said one way, by number. */
function textsOf(datagrams: readonly Uint8Array[]): Map<number, string> {
  const pushes = datagrams.flatMap(parseSegments)
    .filter(({ command, data }) => command === Command.push && data.length > 0);
  return new Map(pushes.map(({ number, data }) => [number, new TextDecoder().decode(data)]));
}

/** `world`, whose next 16 random bytes are the recorded nonce. */
function withNonce(world: World, nonce: Uint8Array): World {
  const random = { bytes: (length: number) => length === 16 ? nonce.slice() : world.random.bytes(length) };
  return { ...world, ...pick(world), random };
}

function pick({ clock, network, files, signals, ledger }: World) {
  return { clock, network, files, signals, ledger, outside: <T>(work: () => Promise<T>) => work() };
}

Deno.test("the recordings are all there", () => {
  assert.deepEqual(recorded.case_counts, {
    "sessions": 2,
    "sessions[0].datagrams": 15,
    "sessions[1].datagrams": 14,
  });
  assert.deepEqual(recorded.sessions.map(({ datagrams }) => datagrams.length), [15, 14]);
  for (const { datagrams } of recorded.sessions) {
    for (const { kcp, hex } of datagrams) {
      const decoded = kcp === undefined ? [] : parseSegments(Uint8Array.fromHex(hex));
      assert.deepEqual(
        decoded.map(summary),
        (kcp ?? []).map(({ conv, cmd, frg, wnd, ts, sn, una, data }) => ({
          conv,
          cmd,
          frg,
          wnd,
          ts,
          sn,
          una,
          data: data ?? "",
        })),
      );
    }
  }
});

/** Says that all below `number` has come. */
function acknowledgement(conversation: number, number: number): Uint8Array {
  const header = { conversation, command: Command.tellWindow, fragment: 0, window: 32, timestamp: 0 };
  return encodeSegment({ ...header, number: 0, unacknowledged: number });
}

function summary(segment: Segment) {
  const { conversation: conv, command: cmd, fragment: frg, window: wnd, timestamp: ts } = segment;
  const { number: sn, unacknowledged: una, data } = segment;
  return { conv, cmd, frg, wnd, ts, sn, una, data: new TextDecoder().decode(data) };
}

for (const session of recorded.sessions) {
  const owner = keys[session.visor as "visorA" | "visorB"];
  const visorKey = parsePublicKey(owner.pk);
  const fromVisor = datagramsOf(session, "visor->ar");
  const fromResolver = datagramsOf(session, "ar->visor");
  const [ours, theirs] = [textsOf(fromResolver), textsOf(fromVisor)];
  const nonce = parseNonce(ours.get(0)!.trimEnd());
  const conversation = parseSegments(fromVisor[0]!)[0]!.conversation;

  /** Plays the visor to our resolver, with `change` in its datagrams: what it was answered, and whether it proved its key. */
  const playVisor = async (change: (bytes: Uint8Array) => Uint8Array) => {
    let result: { answers: Map<number, string>; proved: number } | undefined;
    await withSimulation(1, async (simulation) => {
      const [resolver, visor] = [simulation.node("resolver"), simulation.node("visor")];
      await simulation.run(async () => {
        const world = withNonce(resolver, nonce);
        const store = new SqliteBindingStore({ clock: world.clock, ledger: world.ledger });
        const at = { hostname: "0.0.0.0", port: 30_178 };
        const side = new UdpSide(await world.network.datagrams(at), { world, log: silentLog, store });
        const socket = await visor.network.datagrams({ hostname: "0.0.0.0", port: 4_000 });
        const heard: Uint8Array[] = [];
        const hearing = (async () => {
          for (let next = await socket.receive(); next !== null; next = await socket.receive()) {
            heard.push(next.bytes);
          }
        })();
        const send = async (datagram: Uint8Array) => {
          await socket.send(datagram, { hostname: "resolver", port: 30_178 });
          await sleep(visor.clock, 100);
        };
        const last = fromVisor.at(-1)!;
        const lastNumber = parseSegments(last)[0]!.number;
        for (const datagram of fromVisor) {
          if (datagram !== last) {
            await send(change(datagram));
            continue;
          }
          const { holder: _, ...bound } = await store.get("sudph", visorKey) ?? {};
          if (side.counters().proved === 0) break;
          assert.deepEqual(bound, {
            remoteAddress: `${visor.network.addresses()[1]}:4000`,
            port: Number(session.peer.split(":")[1]),
            addresses: JSON.parse(theirs.get(2)!).addresses,
          });
          side.tell(visorKey, pair("dialer").publicKey, "203.0.113.9:41234");
          await sleep(visor.clock, 100);
          // Its heartbeats between are in no recording.
          for (let number = 5; number < lastNumber; number++) {
            const header = {
              conversation,
              command: Command.push,
              fragment: 0,
              window: 32,
              timestamp: 0,
              number,
            };
            await send(
              encodeSegment({ ...header, unacknowledged: 3 }, new TextEncoder().encode("heartbeat")),
            );
          }
          assert.equal(side.counters().sessions, 1);
          await send(last);
          assert.equal(await store.get("sudph", visorKey), undefined, "delBind");
        }
        const counters = side.counters();
        await side[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        socket.close();
        await hearing;
        result = { answers: textsOf(heard), proved: counters.proved };
      });
    });
    return result!;
  };

  Deno.test(`our resolver answers ${session.visor} as the real one did`, async () => {
    const { answers, proved } = await playVisor((datagram) => datagram);
    assert.equal(proved, 1);
    assert.deepEqual([answers.get(0), answers.get(1)], [ours.get(0), ours.get(1)]);
    const push = parseAnnouncement(answers.get(2)!);
    assert.deepEqual(push.at, { hostname: "203.0.113.9", port: 41_234 });
    assert.equal(push.publicKey, pair("dialer").publicKey);
  });

  Deno.test(`our resolver takes nothing of ${session.visor} when a bit of its claim is another`, async () => {
    const claimAt = fromVisor.findIndex((datagram) => textsOf([datagram]).has(1));
    const claimBytes = fromVisor[claimAt]!;
    let refused = 0;
    for (let at = claimBytes.length - 160; at < claimBytes.length - 4; at += 12) {
      const { answers, proved } = await playVisor((datagram) => {
        if (datagram !== claimBytes) return datagram;
        const changed = datagram.slice();
        changed[at]! ^= 1;
        return changed;
      });
      assert.equal(proved, 0, `byte ${at}`);
      assert.equal(answers.get(1), undefined);
      refused++;
    }
    assert.equal(refused, 13);
  });

  Deno.test(`our visor understands what the real resolver said to ${session.visor}`, () =>
    withSimulation(1, async (simulation) => {
      const [resolver, visor] = [simulation.node("resolver"), simulation.node("visor")];
      await simulation.run(async () => {
        const socket = await resolver.network.datagrams({ hostname: "0.0.0.0", port: 30_178 });
        const secretKey = SecretKey.parse(owner.sk);
        const kcp = new KcpSocket(await visor.network.datagrams({ hostname: "0.0.0.0", port: 4_000 }), {
          world: visor,
        });
        const dialled = kcp.dial({ hostname: "resolver", port: 30_178 }, { conversation, keepsWrites: true });
        const heard: Uint8Array[] = [];
        const waiting = [...fromResolver];
        // Each of the resolver's datagrams goes out when all that it acknowledges has come.
        const answering = (async () => {
          for (let next = await socket.receive(); next !== null; next = await socket.receive()) {
            heard.push(next.bytes);
            const have = textsOf(heard).size;
            await socket.send(acknowledgement(conversation, have), next.from); // most of them were not recorded
            while (
              waiting.length > 0 && parseSegments(waiting[0]!).every((each) => each.unacknowledged <= have)
            ) {
              await socket.send(waiting.shift()!, next.from);
              await sleep(resolver.clock, 100);
            }
          }
        })();
        const conn = await openAddressHandshake(dialled, {
          world: visor,
          local: { secretKey, publicKey: secretKey.publicKey },
          localPort: 0,
          remote: undefined,
          remotePort: 0,
        });
        const bind = JSON.parse(theirs.get(2)!);
        const say = (text: string) => conn.write(new TextEncoder().encode(text));
        await say(renderBinding({ port: Number(bind.port), addresses: bind.addresses }));
        for (let beat = 0; beat < 100; beat++) {
          await say(HEARTBEAT);
          await sleep(visor.clock, 100);
        }
        if (ours.has(2)) {
          const announcement = await new JsonFrames(conn).readObject("a push", 1_024);
          assert.equal(announcement, ours.get(2));
          const { PK, Addr } = JSON.parse(ours.get(2)!);
          const { publicKey, at } = parseAnnouncement(announcement);
          assert.deepEqual([publicKey, `${at.hostname}:${at.port}`], [PK, Addr]);
        }
        const texts = textsOf(heard);
        assert.deepEqual(
          [0, 2, 3].map((number) => texts.get(number)),
          [0, 2, 3].map((number) => theirs.get(number)),
        );
        const claim = (text: string) => text.replace(/"Sig":"[0-9a-f]+"/, "");
        assert.equal(claim(texts.get(1)!), claim(theirs.get(1)!), "all but the signature, which is random");
        assert.equal(waiting.length, 0, "each of the resolver's datagrams was sent");
        kcp.close(new Error("done"));
        socket.close();
        await Promise.all([answering, kcp.closed]);
      });
    }));
}

Deno.test("the messages of a sudph session, each as its vector has it", async () => {
  assert.deepEqual(said.case_counts, { cases: 4, sudph_session: 5 });
  const messages = said.sudph_session.filter(({ text }) => text !== undefined);
  assert.deepEqual(messages.map(({ dir }) => dir), ["visor>ar", "visor>ar", "ar>visor", "visor>ar"]);
  await withSimulation(1, async (simulation) => {
    const { clock } = simulation.node("resolver");
    await simulation.run(async () => {
      const [near, far] = memoryPair();
      const session = new UdpSession(near, {
        clock,
        key: pair("visor").publicKey,
        address: "203.0.113.7:1",
        firstMs: 30_000,
        silenceMaxMs: 60_000,
      });
      const read: unknown[] = [];
      for (const { dir, text } of messages) {
        if (dir === "visor>ar") {
          await far.write(new TextEncoder().encode(text!));
          read.push(await session.next());
          continue;
        }
        const { PK, Addr } = JSON.parse(text!);
        assert.equal(session.push(parsePublicKey(PK), Addr), true);
        assert.equal(new TextDecoder().decode((await far.read())!), text);
      }
      assert.deepEqual(read, [
        { type: "bind", listener: { port: 30_178, addresses: ["127.0.0.1", "::1", "192.0.2.7"] } },
        { type: "heartbeat" },
        { type: "unbind" },
      ]);
      session.close();
      far.close();
    });
  });
  assert.deepEqual([messages[1]!.text, messages[3]!.text], [HEARTBEAT, UNBIND]);
  assert.equal(said.holepunch_datagram, HOLE_PUNCH.toHex());
});

Deno.test("answers to resolve are the vectors', for the near and the far", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("resolver");
    await simulation.run(async () => {
      const store = new SqliteBindingStore({ clock: world.clock, ledger: world.ledger });
      const api = createAddressResolver({ store, world });
      const [asker, sought] = [pair("asker"), pair("sought")];
      const binding = { port: 30_178, addresses: ["127.0.0.1", "::1", "192.0.2.7"] };
      const forever = { ttlMs: 0 };
      await store.put("sudph", sought.publicKey, { ...binding, remoteAddress: "203.0.113.9:41234" }, forever);
      await store.put("sudph", asker.publicKey, { ...binding, remoteAddress: "203.0.113.9:2" }, forever);
      await store.put("stcpr", sought.publicKey, { ...binding, remoteAddress: "203.0.113.9" }, forever);
      const answer = async (type: string) => {
        const remote = `${asker.publicKey}:49152`;
        return (await ask(api, { path: `/resolve/${type}/${sought.publicKey}`, remote })).body;
      };
      assert.equal(await answer("sudph"), said.resolve_reply_local);
      assert.equal(await answer("stcpr"), said.resolve_reply_remote);
      assert.equal(readResolved(JSON.parse(said.resolve_reply_local)).isLocal, true);
      await store[Symbol.asyncDispose]();
    });
  }));
