import assert from "node:assert/strict";
import { NAT_KINDS, NAT_MAPPING_MS, NatBox, type NatKind } from "../../lib/runtime/simulated/nat.ts";

const BOX = "203.0.113.1";
const INSIDE = { hostname: "192.168.1.2", port: 500 };
const OTHER_INSIDE = { hostname: "192.168.1.3", port: 500 };
const BOB = { hostname: "10.0.0.1", port: 80 };
const BOBS_OTHER_PORT = { hostname: "10.0.0.1", port: 81 };
const CAROL = { hostname: "10.0.0.2", port: 80 };

const box = (kind: NatKind, mappingMs?: number) =>
  new NatBox({ name: "home", address: BOX, kind, mappingMs });

for (const kind of NAT_KINDS) {
  Deno.test(`a ${kind} box maps what goes out, and lets the answer in`, () => {
    const nat = box(kind);
    assert.equal(nat.inbound(20_000, BOB, 0), undefined, "nothing went out yet");
    const source = nat.outbound(INSIDE, BOB, 0)!;
    assert.equal(source.hostname, BOX);
    assert.notEqual(source.port, INSIDE.port);
    assert.deepEqual(nat.inbound(source.port, BOB, 1), INSIDE);
    assert.deepEqual(nat.insideOf(source.port, 1), INSIDE);
    assert.deepEqual(nat.outbound(INSIDE, BOB, 2), source, "the same while it lives");
    assert.notDeepEqual(nat.outbound(OTHER_INSIDE, BOB, 2), source, "another machine, another port");
  });

  Deno.test(`a ${kind} box has one outside port for all places, or one for each`, () => {
    const nat = box(kind);
    const ports = [BOB, BOBS_OTHER_PORT, CAROL].map((place) => nat.outbound(INSIDE, place, 0)!.port);
    assert.equal(new Set(ports).size, kind === "symmetric" ? 3 : 1);
  });

  Deno.test(`a ${kind} box filters by its kind`, () => {
    const nat = box(kind);
    const { port } = nat.outbound(INSIDE, BOB, 0)!;
    const letsIn = [BOB, BOBS_OTHER_PORT, CAROL].map((from) => nat.inbound(port, from, 1) !== undefined);
    assert.deepEqual(
      letsIn,
      {
        "full-cone": [true, true, true],
        "restricted": [true, true, false],
        "port-restricted": [true, false, false],
        "symmetric": [true, false, false],
      }[kind],
    );
  });

  Deno.test(`a ${kind} box forgets what is silent outwards; what comes in renews nothing`, () => {
    const nat = box(kind);
    const { port } = nat.outbound(INSIDE, BOB, 0)!;
    assert.deepEqual(nat.inbound(port, BOB, NAT_MAPPING_MS - 1), INSIDE);
    assert.equal(nat.inbound(port, BOB, NAT_MAPPING_MS), undefined);
    const renewed = nat.outbound(INSIDE, BOB, NAT_MAPPING_MS)!;
    assert.notEqual(renewed.port, port, "a new mapping has a new port");
    nat.outbound(INSIDE, BOB, NAT_MAPPING_MS * 1.5);
    assert.deepEqual(nat.inbound(renewed.port, BOB, NAT_MAPPING_MS * 2.4), INSIDE, "renewed");
  });

  Deno.test(`a ${kind} box that lost its memory lets nobody in`, () => {
    const nat = box(kind);
    const { port } = nat.outbound(INSIDE, BOB, 0)!;
    nat.forget();
    assert.equal(nat.inbound(port, BOB, 1), undefined);
    assert.notEqual(nat.outbound(INSIDE, BOB, 1)!.port, port);
  });
}

Deno.test("a restricted box forgets each place by itself", () => {
  const nat = box("port-restricted");
  const { port } = nat.outbound(INSIDE, BOB, 0)!;
  nat.outbound(INSIDE, CAROL, NAT_MAPPING_MS - 1);
  assert.equal(nat.inbound(port, BOB, NAT_MAPPING_MS), undefined);
  assert.deepEqual(nat.inbound(port, CAROL, NAT_MAPPING_MS), INSIDE);
});

Deno.test("mappingMs is the box's own", () => {
  const nat = box("full-cone", 5);
  const { port } = nat.outbound(INSIDE, BOB, 0)!;
  assert.deepEqual(nat.inbound(port, CAROL, 4), INSIDE);
  assert.equal(nat.inbound(port, CAROL, 5), undefined);
});

Deno.test("a box without a free port drops, and goes on when mappings are over", () => {
  const nat = box("symmetric");
  let mapped = 0;
  while (nat.outbound(INSIDE, { hostname: "10.0.0.1", port: mapped }, 0) !== undefined) mapped++;
  assert.equal(mapped, 64_512);
  assert.equal(nat.outbound(INSIDE, CAROL, NAT_MAPPING_MS - 1), undefined);
  assert.notEqual(nat.outbound(INSIDE, CAROL, NAT_MAPPING_MS), undefined);
});

Deno.test("one mapping lets in so many places, and more when some are over", () => {
  const nat = box("port-restricted");
  const place = (index: number) => ({ hostname: "10.0.0.1", port: index });
  for (let index = 0; index < 5_000; index++) nat.outbound(INSIDE, place(index), 0);
  const { port } = nat.outbound(INSIDE, place(0), 1)!;
  const letIn = Array.from({ length: 5_000 }, (_, index) => nat.inbound(port, place(index), 1));
  assert.equal(letIn.filter((inside) => inside !== undefined).length, 4_096);
  nat.outbound(INSIDE, place(4_999), NAT_MAPPING_MS);
  assert.deepEqual(nat.inbound(port, place(4_999), NAT_MAPPING_MS), INSIDE);
});
