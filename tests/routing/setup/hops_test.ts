import assert from "node:assert/strict";
import { ConnResetError } from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import {
  type HopLabel,
  type KnownTransport,
  mirrored,
  resolveHops,
  RouteHopError,
} from "../../../lib/routing/setup/mod.ts";
import { type TransportId, transportId } from "../../../lib/transport/mod.ts";
import { key } from "./_fake_visors.ts";

const [ME, BOB, CAROL, DAVE] = ["me", "bob", "carol", "dave"].map(key) as [
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
];

interface World {
  /** Own transports: who and type. */
  readonly own?: readonly [PublicKey, string][];
  /** Types that can be made. */
  readonly possible?: readonly string[];
  readonly listed?: readonly [PublicKey, PublicKey, string][];
  readonly isDown?: boolean;
}

function resolve(
  labels: readonly HopLabel[],
  { own = [], possible = [], listed = [], isDown = false }: World,
  ends = { from: ME, to: DAVE },
) {
  const made: string[] = [];
  const known: KnownTransport[] = listed.map(([a, b, type]) => ({
    id: transportId(a, b, type),
    edges: [a, b],
    type,
  }));
  const answer = <T>(value: T) =>
    isDown ? Promise.reject(new ConnResetError("down")) : Promise.resolve(value);
  const path = resolveHops(labels, {
    local: ME,
    ...ends,
    transports: {
      find: (id) =>
        own.map(([remote, type]) => ({ id: transportId(ME, remote, type), remote })).find((each) =>
          each.id === id
        ),
      to: (remote) =>
        own.filter(([each]) => each === remote).map(([, type]) => ({
          id: transportId(ME, remote, type),
          type,
        })),
      dial: (remote, type, { label }) => {
        made.push(`${type} ${label}`);
        if (!possible.includes(type)) return Promise.reject(new ConnResetError(`no ${type}`));
        return Promise.resolve({ id: transportId(ME, remote, type) });
      },
    },
    directory: {
      byId: (id) => answer(known.find((each) => each.id === id)),
      byEdge: (edge) => answer(known.filter(({ edges }) => edges.includes(edge))),
    },
  });
  return { path, made };
}

const refused = (text: RegExp) => (error: unknown) => {
  assert(error instanceof RouteHopError, `${error}`);
  assert.match(error.message, text);
  return true;
};

Deno.test("RT-8: a transport id gives both ends, our own first, else what the discovery lists", async () => {
  const [first, second] = [transportId(ME, BOB, "dmsg"), transportId(BOB, DAVE, "sudph")];
  const { path } = resolve([{ transportId: first }, { transportId: second }], {
    own: [[BOB, "dmsg"]],
    listed: [[DAVE, BOB, "sudph"]],
  });
  assert.deepEqual(await path, [
    { transportId: first, from: ME, to: BOB },
    { transportId: second, from: BOB, to: DAVE },
  ]);
  assert.deepEqual(mirrored(await path), [
    { transportId: second, from: DAVE, to: BOB },
    { transportId: first, from: BOB, to: ME },
  ]);
});

Deno.test("RT-8: a transport that begins elsewhere, is unknown, or cannot be looked up", async () => {
  const id = transportId(BOB, CAROL, "stcpr");
  const label = { transportId: id as TransportId };
  await assert.rejects(
    resolve([label], { listed: [[BOB, CAROL, "stcpr"]] }).path,
    refused(new RegExp(`^transport ${id} does not connect from ${ME}$`)),
  );
  await assert.rejects(resolve([label], {}).path, refused(/^resolve transport .+: nobody lists it$/));
  await assert.rejects(resolve([label], { isDown: true }).path, refused(/^resolve transport .+: down$/));
});

Deno.test("RT-8: our own hop by key: stcpr, then sudph, then made in that order; never dmsg", async () => {
  const to = (world: World) => resolve([{ publicKey: DAVE }], world);
  const type = async (world: World) => {
    const [hop] = await to(world).path;
    return ["stcpr", "sudph", "stcp", "dmsg"].find((each) =>
      transportId(ME, DAVE, each) === hop!.transportId
    );
  };
  assert.equal(await type({ own: [[DAVE, "dmsg"], [DAVE, "sudph"], [DAVE, "stcpr"]] }), "stcpr");
  assert.equal(await type({ own: [[DAVE, "dmsg"], [DAVE, "sudph"]] }), "sudph");
  assert.equal(await type({ own: [[DAVE, "dmsg"]], possible: ["stcpr", "sudph", "dmsg"] }), "stcpr");
  assert.equal(await type({ possible: ["sudph", "dmsg"] }), "sudph");
  const none = to({ own: [[DAVE, "dmsg"]], possible: ["dmsg"] });
  await assert.rejects(
    none.path,
    refused(/^no transport to .+ and could not create one: no stcpr; no sudph$/),
  );
  assert.deepEqual(none.made, ["stcpr user", "sudph user"]);
});

Deno.test("RT-8: a hop of others by key is what is listed; nothing is made there", async () => {
  const labels = [{ publicKey: BOB }, { publicKey: DAVE }];
  const own: World["own"] = [[BOB, "stcpr"]];
  const found = await resolve(labels, { own, listed: [[BOB, CAROL, "stcpr"], [DAVE, BOB, "dmsg"]] }).path;
  assert.deepEqual(found[1], { transportId: transportId(BOB, DAVE, "dmsg"), from: BOB, to: DAVE });
  await assert.rejects(
    resolve(labels, { own }).path,
    refused(/^no known transport between .+ and .+ \(remote-create not supported yet\)$/),
  );
  await assert.rejects(
    resolve(labels, { own, isDown: true }).path,
    refused(/^look up transports of .+: down$/),
  );
});

Deno.test("RT-8: a chain that does not end at the destination gets its last hop by the rule for keys", async () => {
  const world: World = { own: [[BOB, "stcpr"]], listed: [[BOB, DAVE, "stcpr"]] };
  assert.deepEqual((await resolve([{ publicKey: BOB }], world).path).map(({ to }) => to), [BOB, DAVE]);
  assert.deepEqual((await resolve([], { own: [[DAVE, "stcpr"]] }).path).map(({ to }) => to), [DAVE]);
  await assert.rejects(resolve(Array(65).fill({ publicKey: BOB }), world).path, refused(/65 hops/));
});

Deno.test("RT-8: a way back begins at the destination", async () => {
  const world: World = { listed: [[DAVE, CAROL, "stcpr"], [CAROL, ME, "sudph"]] };
  const path = await resolve([{ publicKey: CAROL }], world, { from: DAVE, to: ME }).path;
  assert.deepEqual(path.map(({ from, to }) => [from, to]), [[DAVE, CAROL], [CAROL, ME]]);
});
