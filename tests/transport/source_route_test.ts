/** TP-5: addresses that pin a path, as in the vectors. */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { SKYNET_SUFFIX, sourceRoute, transportId } from "../../lib/transport/mod.ts";
import vectors from "../vectors/resolver/route-addr.json" with { type: "json" };

Deno.test("TP-5: sourceRoute() prints the addresses of the vectors", () => {
  let ran = 0;
  for (const { args, type, json, stdout, same_ids_backwards } of vectors.vectors) {
    const keys = args.map(parsePublicKey);
    assert.deepEqual(sourceRoute(keys, { type }), json);
    assert.equal(`${sourceRoute(keys, { type }).address}\n`, stdout);
    assert.deepEqual(sourceRoute(keys.toReversed(), { type }).labels.slice(0, -1), same_ids_backwards);
    ran++;
  }
  assert.equal(ran, vectors.case_counts.vectors);
  assert.equal(SKYNET_SUFFIX, vectors.default_suffix);
});

Deno.test("an id is the same from both ends of its transport", () => {
  const [a, b] = vectors.keys.map(({ pk }) => parsePublicKey(pk));
  assert.equal(transportId(a!, b!, "stcpr"), vectors.symmetric.a_to_b);
  assert.equal(transportId(b!, a!, "stcpr"), vectors.symmetric.b_to_a);
});

Deno.test("sourceRoute() takes another suffix, and keys that come back", () => {
  const [a, b] = vectors.keys.map(({ pk }) => parsePublicKey(pk));
  const { address, labels } = sourceRoute([a!, b!, a!], { type: "dmsg", suffix: ".sky" });
  assert.equal(labels.length, 3);
  assert.equal(labels[0], labels[1]);
  assert.equal(address, `${labels[0]}.${labels[0]}.${a}.sky`);
});
