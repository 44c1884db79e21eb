/** The resolver's UDP side: binds, their lives, pushes, and whose session counts (SV-3). */
import assert from "node:assert/strict";
import { sleep } from "../../../lib/runtime/mod.ts";
import type { Binding, BindingStore } from "../../../lib/services/store/mod.ts";
import { SqliteBindingStore } from "../../../lib/services/store/mod.ts";
import { StoreError } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import { Rig } from "./support.ts";

const stranger = pair("stranger");
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

Deno.test("SV-3: what is bound is the address that the resolver sees, with what the visor says", () =>
  Rig.run(async (rig) => {
    rig.simulation.nat("home", { kind: "port-restricted" });
    const visor = await rig.visor("visor", { behind: "home" });
    await visor.connect();
    assert.equal(await rig.resolve(stranger, visor.local), undefined, "proved, but not bound");
    await visor.bind(["192.168.1.2", "::1"]);
    await sleep(rig.world.clock, SECOND);
    const { remote_addr, ...rest } = await rig.resolve(stranger, visor.local);
    assert.match(remote_addr, /^203\.0\.113\.1:\d+$/);
    assert.deepEqual(rest, { port: `${visor.port}`, addresses: ["192.168.1.2", "::1"] });
    assert.deepEqual(
      JSON.parse((await rig.askAs(stranger, "/transports")).body),
      { sudph: [visor.local.publicKey] },
    );
    assert.deepEqual([rig.side.counters().sessions, rig.side.counters().proved], [1, 1]);
  }));

Deno.test("SV-3: heartbeats alone keep a binding for as long as they come; 3 min after the last it is gone", () =>
  Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    await visor.bind();
    for (let beat = 0; beat < 180; beat++) {
      await visor.say("heartbeat");
      await sleep(rig.world.clock, 10 * SECOND);
    }
    assert.ok(await rig.resolve(stranger, visor.local), "half an hour later");
    await sleep(rig.world.clock, 3 * MINUTE - 11 * SECOND);
    assert.ok(await rig.resolve(stranger, visor.local));
    await sleep(rig.world.clock, 2 * SECOND);
    assert.equal(await rig.resolve(stranger, visor.local), undefined);
    assert.equal(await visor.hear(), undefined, "the visor is told that its session is gone");
    const { sessions, silent } = rig.side.counters();
    assert.deepEqual({ sessions, silent }, { sessions: 0, silent: 1 });
  }));

Deno.test("SV-3: a heartbeat renews the store seldom, a bind always", () => {
  const puts: number[] = [];
  return Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    await visor.bind();
    for (let beat = 0; beat < 60; beat++) {
      await visor.say("heartbeat");
      await sleep(rig.world.clock, 10 * SECOND);
    }
    assert.ok(puts.length >= 9 && puts.length <= 11, `${puts.length} writes in 10 min`);
    puts.length = 0;
    for (let bind = 0; bind < 5; bind++) await visor.bind();
    await sleep(rig.world.clock, SECOND);
    assert.equal(puts.length, 5);
  }, { store: (world) => watchedStore(world, (put) => puts.push(put.port)) });
});

Deno.test("SV-3: a session that goes on may bind anew, on the same session", () =>
  Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    await visor.bind(["192.0.2.7"], 1111);
    await visor.say("heartbeat");
    await visor.bind(["192.0.2.8", "192.0.2.9"], 2222);
    await visor.say("heartbeat");
    await sleep(rig.world.clock, SECOND);
    const { port, addresses } = await rig.resolve(stranger, visor.local);
    assert.deepEqual({ port, addresses }, { port: "2222", addresses: ["192.0.2.8", "192.0.2.9"] });
    assert.equal(rig.side.counters().replaced, 0);
  }));

Deno.test("SV-3: delBind and an orderly end unbind at once", () =>
  Rig.run(async (rig) => {
    for (const name of ["by delBind", "by its end"]) {
      const visor = await (await rig.visor(name)).connect();
      await visor.bind();
      await sleep(rig.world.clock, SECOND);
      assert.ok(await rig.resolve(stranger, visor.local));
      if (name === "by delBind") await visor.say("delBind");
      else visor.session!.close();
      await sleep(rig.world.clock, SECOND);
      assert.equal(await rig.resolve(stranger, visor.local), undefined, name);
    }
    assert.equal(rig.side.counters().sessions, 0);
  }));

Deno.test("SV-3: who resolves is told to the one that it will dial, when it is bound itself", () =>
  Rig.run(async (rig) => {
    const [dialer, callee] = [await rig.visor("dialer"), await rig.visor("callee")];
    await callee.connect();
    await callee.bind();
    await sleep(rig.world.clock, SECOND);
    const unbound = await rig.resolve(dialer.local, callee.local);
    await dialer.connect();
    await dialer.bind();
    await sleep(rig.world.clock, SECOND);
    const hearing = callee.hear();
    const bound = await rig.resolve(dialer.local, callee.local);
    assert.deepEqual(bound, unbound, "the answer is the same");
    const address = `${dialer.world.network.addresses()[1]}:${dialer.port}`;
    assert.equal(await hearing, `{"PK":"${dialer.local.publicKey}","Addr":"${address}"}`);
    assert.deepEqual([rig.side.counters().pushed, rig.side.counters().unpushed], [1, 0]);
    await rig.resolve(callee.local, callee.local);
    assert.equal(rig.side.counters().pushed, 1, "nobody is told of itself");
  }));

Deno.test("two behind one NAT are told that they are near each other; others are not", () =>
  Rig.run(async (rig) => {
    rig.simulation.nat("home", { kind: "full-cone" });
    const [one, two] = [
      await rig.visor("one", { behind: "home" }),
      await rig.visor("two", { behind: "home" }),
    ];
    const outside = await rig.visor("outside");
    for (const visor of [one, two, outside]) await (await visor.connect()).bind();
    await sleep(rig.world.clock, SECOND);
    assert.equal((await rig.resolve(one.local, two.local)).is_local, true);
    assert.equal((await rig.resolve(one.local, outside.local)).is_local, undefined);
    assert.equal((await rig.resolve(stranger, two.local)).is_local, undefined);
  }));

Deno.test("SV-3: a callee that takes nothing holds nobody up, and little memory", () =>
  Rig.run(async (rig) => {
    const [dialer, callee] = [await rig.visor("dialer"), await rig.visor("callee")];
    for (const visor of [dialer, callee]) await (await visor.connect()).bind();
    await sleep(rig.world.clock, SECOND);
    rig.simulation.partition("callee");
    const startMs = rig.simulation.nowMs;
    for (let ask = 0; ask < 2_000; ask++) assert.ok(await rig.resolve(dialer.local, callee.local));
    assert.equal(rig.simulation.nowMs, startMs, "no answer waited for the callee");
    const { pushed, unpushed } = rig.side.counters();
    assert.equal(pushed + unpushed, 2_000);
    assert.ok(pushed < 1_000, `${pushed} pushes are held`);
    rig.simulation.heal("callee");
    await sleep(rig.world.clock, MINUTE);
    assert.equal(await callee.hear() !== undefined, true);
  }));

Deno.test("SV-3: a new session of a key replaces the old one, whose end takes nothing away", () =>
  Rig.run(async (rig) => {
    const old = await (await rig.visor("visor")).connect();
    await old.bind(["192.0.2.1"], 1111);
    await sleep(rig.world.clock, SECOND);
    const oldAddress = (await rig.resolve(stranger, old.local)).remote_addr;
    const other = await rig.visor("the same on another machine");
    Object.assign(other, { local: old.local });
    await other.connect();
    assert.equal(rig.side.counters().replaced, 0, "not by the key alone");
    await other.bind(["192.0.2.2"], 2222);
    await sleep(rig.world.clock, SECOND);
    assert.equal(rig.world.ledger.live()["kcp-session"], 1, "the old session is over at once");
    assert.equal(await old.hear(), undefined);
    const { sessions, replaced } = rig.side.counters();
    assert.deepEqual({ sessions, replaced }, { sessions: 1, replaced: 1 });
    const { remote_addr, port } = await rig.resolve(stranger, old.local);
    assert.equal(port, "2222");
    assert.notEqual(remote_addr, oldAddress);
    for (let beat = 0; beat < 40; beat++) {
      await other.say("heartbeat");
      await sleep(rig.world.clock, 10 * SECOND);
    }
    assert.ok(await rig.resolve(stranger, old.local), "minutes after the old one's end");
  }));

Deno.test("SV-3: a visor that starts again binds over what it left, in silence as it died", () =>
  Rig.run(async (rig) => {
    const first = await (await rig.visor("visor")).connect();
    await first.bind();
    await sleep(rig.world.clock, SECOND);
    rig.simulation.halt("visor", "silent");
    rig.visors.splice(0);
    const again = await (await rig.visor("visor")).connect();
    await again.bind(["192.0.2.2"]);
    for (let beat = 0; beat < 30; beat++) {
      await again.say("heartbeat");
      await sleep(rig.world.clock, 10 * SECOND);
    }
    assert.deepEqual((await rig.resolve(stranger, again.local)).addresses, ["192.0.2.2"]);
    assert.equal(rig.side.counters().sessions, 1);
  }));

Deno.test("SV-3: a session that says nothing for 30 s after its handshake is over", () =>
  Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    await sleep(rig.world.clock, 29 * SECOND);
    await visor.bind();
    await sleep(rig.world.clock, SECOND);
    assert.ok(await rig.resolve(stranger, visor.local), "in time");
    const late = await (await rig.visor("late")).connect();
    const startMs = rig.simulation.nowMs;
    assert.equal(await late.hear(), undefined);
    const tookMs = rig.simulation.nowMs - startMs;
    assert.ok(tookMs >= 29 * SECOND && tookMs <= 31 * SECOND, `${tookMs} ms`);
    assert.equal(rig.side.counters().silent, 1);
  }));

Deno.test("a session ends with what cannot be read, and takes its binding along", () =>
  Rig.run(async (rig) => {
    const bad = [
      "{",
      "x",
      "heartbeet",
      "delBin ",
      "get_nonce",
      "[]",
      `{"port":30178}`,
      `{"port":"0"}`,
      `{"port":"65536"}`,
      `{"port":"1","addresses":["no address"]}`,
      `{"port":"1","addresses":[${"1,".repeat(100)}1]}`,
      `{"a":"${"x".repeat(9_000)}"}`,
      "{".repeat(5_000) + "}".repeat(5_000),
      '{"a":"\\"}',
    ];
    for (const [index, text] of bad.entries()) {
      const visor = await (await rig.visor(`visor ${index}`)).connect();
      await visor.bind();
      await sleep(rig.world.clock, SECOND);
      assert.ok(await rig.resolve(stranger, visor.local));
      await visor.say(text);
      const isUnfinished = text === "{" || text === '{"a":"\\"}';
      await sleep(rig.world.clock, isUnfinished ? 4 * MINUTE : SECOND);
      assert.equal(await rig.resolve(stranger, visor.local), undefined, text.slice(0, 50));
    }
    const { malformed, silent, sessions } = rig.side.counters();
    assert.deepEqual({ malformed, silent, sessions }, { malformed: bad.length - 2, silent: 2, sessions: 0 });
  }));

Deno.test("messages may come in any pieces, several in one, with line ends between objects", () =>
  Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    const said = `{"port":"1","addresses":null}\n{"port":"2"}heartbeatheartbeat{"port":"3"}\nheartbeat`;
    for (const piece of said.match(/[^]{1,7}/g)!) await visor.say(piece);
    await sleep(rig.world.clock, SECOND);
    const { port, addresses } = await rig.resolve(stranger, visor.local);
    assert.deepEqual({ port, addresses }, { port: "3", addresses: [] });
  }));

Deno.test("a store that fails for a moment ends no session; the next heartbeat binds", () => {
  let isBroken = true;
  return Rig.run(async (rig) => {
    const visor = await (await rig.visor("visor")).connect();
    await visor.bind();
    await sleep(rig.world.clock, SECOND);
    assert.equal(await rig.resolve(stranger, visor.local), undefined);
    isBroken = false;
    await visor.say("heartbeat");
    await sleep(rig.world.clock, SECOND);
    assert.ok(await rig.resolve(stranger, visor.local));
  }, {
    store: (world) =>
      watchedStore(world, () => {
        if (isBroken) throw new StoreError("The disk is full");
      }),
  });
});

Deno.test("a resolver that stops unbinds all, and its visors hear it", () =>
  Rig.run(async (rig) => {
    const visors = [];
    for (let index = 0; index < 5; index++) visors.push(await (await rig.visor(`visor ${index}`)).connect());
    for (const visor of visors) await visor.bind();
    await sleep(rig.world.clock, SECOND);
    assert.equal(rig.side.counters().sessions, 5);
    const hearing = visors.map((visor) => visor.hear());
    await rig.side[Symbol.asyncDispose]();
    assert.deepEqual(await Promise.all(hearing), Array(5).fill(undefined));
    assert.equal((await rig.askAs(stranger, "/transports")).body, "{}");
  }));

Deno.test("/health tells the UDP address and how that side is", () =>
  Rig.run(async (rig) => {
    await (await (await rig.visor("visor")).connect()).bind();
    await sleep(rig.world.clock, SECOND);
    const health = JSON.parse((await rig.askAs(stranger, "/health")).body);
    assert.equal(health.udp_address, "203.0.113.200:30178");
    assert.deepEqual(health.udp, {
      sessions: 1,
      handshakes: 0,
      proved: 1,
      failed: 0,
      dropped: 0,
      replaced: 0,
      silent: 0,
      malformed: 0,
      pushed: 0,
      unpushed: 0,
    });
  }, { settings: { publicUdpAddress: "203.0.113.200:30178" } }));

Deno.test("the UDP side does the same twice for a seed", async () => {
  const hashes: string[] = [];
  for (const seed of [5, 5, 6]) {
    await Rig.run(
      async (rig) => {
        const visors = [];
        for (let index = 0; index < 4; index++) {
          visors.push(await rig.visor(`visor ${index}`));
          rig.simulation.link("resolver", `visor ${index}`, { burstLossPct: 3, jitterMs: 20, reorderPct: 5 });
        }
        await Promise.all(visors.map((visor) => visor.connect()));
        for (const visor of visors) await visor.bind();
        for (let beat = 0; beat < 10; beat++) {
          for (const visor of visors) await visor.say("heartbeat");
          await sleep(rig.world.clock, 10 * SECOND);
        }
        assert.equal(rig.side.counters().sessions, 4);
        hashes.push(rig.simulation.hash);
      },
      {},
      seed,
    );
  }
  assert.equal(hashes[1], hashes[0]);
  assert.notEqual(hashes[2], hashes[0]);
});

/** A store in memory that tells of what is put, before it is. */
function watchedStore(
  world: { clock: ConstructorParameters<typeof SqliteBindingStore>[0]["clock"] } & {
    ledger: ConstructorParameters<typeof SqliteBindingStore>[0]["ledger"];
  },
  onPut: (binding: Binding) => void,
): BindingStore {
  const store = new SqliteBindingStore({ clock: world.clock, ledger: world.ledger });
  const put = store.put.bind(store);
  store.put = async (type, key, binding, options) => {
    onPut(binding);
    await put(type, key, binding, options);
  };
  return store;
}
