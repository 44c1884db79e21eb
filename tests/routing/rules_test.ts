/** Descriptors and rules: every byte of the recordings both ways; whatever is damaged is refused. @module */
import assert from "node:assert/strict";
import { MalformedError, SkyError } from "../../lib/base/mod.ts";
import { fromHex, parsePublicKey, toHex } from "../../lib/crypto/mod.ts";
import {
  descriptorText,
  encodeDescriptor,
  encodeRule,
  invertDescriptor,
  parseDescriptor,
  parseRule,
  RouteRuleError,
  RULE_TYPE,
  ruleSummary,
  ruleText,
} from "../../lib/routing/mod.ts";
import recorded from "../vectors/routing/rules.json" with { type: "json" };

Deno.test("descriptors: the recorded one is decoded, inverted, and encoded to the same bytes", () => {
  let decoded = 0;
  for (const vector of recorded.descriptors) {
    const descriptor = parseDescriptor(fromHex(vector.hex));
    assert.deepEqual(descriptor, {
      source: { publicKey: parsePublicKey(vector.src_pk), port: vector.src_port },
      destination: { publicKey: parsePublicKey(vector.dst_pk), port: vector.dst_port },
    });
    assert.equal(toHex(encodeDescriptor(descriptor)), vector.hex);
    assert.equal(toHex(encodeDescriptor(invertDescriptor(descriptor))), vector.inverted_hex);
    assert.equal(descriptorText(descriptor), vector.string);
    decoded++;
  }
  assert.equal(decoded, 1);
});

Deno.test("rules: every recorded one is decoded, and encoded to the same bytes, text and summary", () => {
  let decoded = 0;
  for (const vector of recorded.rules) {
    const rule = parseRule(fromHex(vector.hex));
    assert.equal(toHex(encodeRule(rule)), vector.hex, vector.name);
    assert.equal(ruleText(rule), vector.string);
    assert.equal(JSON.stringify(ruleSummary(rule)), JSON.stringify(vector.summary_json));
    assert.deepEqual(
      [RULE_TYPE[rule.kind], rule.routeId, rule.keepAliveNs],
      [vector.type, vector.key_route_id, BigInt(vector.keep_alive_ns)],
    );
    if (rule.kind !== "intermediary") {
      assert.equal(toHex(encodeDescriptor(rule.descriptor)), vector.descriptor!.hex);
    }
    if (rule.kind !== "consume") {
      assert.deepEqual([rule.nextRouteId, rule.nextTransportId], [
        vector.next_route_id,
        vector.next_transport_id,
      ]);
    }
    decoded++;
  }
  assert.equal(decoded, recorded.case_counts.rules);
  assert.equal(decoded, 5);
});

Deno.test("parseRule() takes a rule without the 17 zero bytes, and ignores what is in them", () => {
  let taken = 0;
  for (const { hex, type } of recorded.rules) {
    if (type === RULE_TYPE.consume) continue;
    const whole = fromHex(hex);
    assert.deepEqual(parseRule(whole.subarray(0, whole.length - 17)), parseRule(whole));
    const filled = whole.slice();
    filled.fill(0xff, whole.length - 17);
    assert.deepEqual(parseRule(filled), parseRule(whole));
    taken++;
  }
  assert.equal(taken, 3);
});

Deno.test("parseRule() refuses every other length, type and key", () => {
  let refused = 0;
  for (const { hex, type } of recorded.rules) {
    const whole = fromHex(hex);
    for (let length = 0; length <= whole.length + 20; length++) {
      const isRight = length === whole.length ||
        (type !== RULE_TYPE.consume && length === whole.length - 17);
      if (isRight) continue;
      const cut = new Uint8Array(length);
      cut.set(whole.subarray(0, length));
      assert.throws(() => parseRule(cut), RouteRuleError, `${length} of ${whole.length}`);
      refused++;
    }
    for (const kind of [3, 4, 0x80, 0xff]) {
      const other = whole.slice();
      other[8] = kind;
      assert.throws(() => parseRule(other), RouteRuleError);
      refused++;
    }
    if (type === RULE_TYPE.intermediary) continue;
    const noKey = whole.slice();
    noKey.fill(0, 13, 46);
    assert.throws(() => parseRule(noKey), (error) => {
      return error instanceof RouteRuleError && (error.cause as SkyError).code === "MALFORMED";
    });
    refused++;
  }
  assert.ok(refused > 400, `${refused}`);
});

Deno.test("a keep-alive that is negative becomes 0, in both directions", () => {
  const rule = parseRule(fromHex(recorded.rules[0]!.hex));
  const bytes = encodeRule({ ...rule, keepAliveNs: -1n });
  assert.equal(parseRule(bytes).keepAliveNs, 0n);
  bytes[0] = 0x80;
  assert.equal(parseRule(bytes).keepAliveNs, 0n);
});

Deno.test("parseDescriptor() refuses other lengths and what is no key", () => {
  const whole = fromHex(recorded.descriptors[0]!.hex);
  for (const length of [0, 69]) {
    assert.throws(() => parseDescriptor(whole.subarray(0, length)), MalformedError);
  }
  assert.throws(() => parseDescriptor(new Uint8Array(71)), MalformedError);
  assert.throws(() => parseDescriptor(new Uint8Array(70)), MalformedError);
});
