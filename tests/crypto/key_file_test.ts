/** Key files: one secret key, for its owner's eyes. */
import assert from "node:assert/strict";
import {
  InvalidKeyError,
  keptKeyPair,
  KeyFileError,
  parseSecretKeyOf,
  readKeyPair,
  SecretKey,
  writeKeyFile,
} from "../../lib/crypto/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";

const SECRET = "11".repeat(32);

Deno.test("parseSecretKeyOf() reads a key, and refuses what is none without repeating it", () => {
  assert.equal(parseSecretKeyOf(SECRET, "f").reveal(), SECRET);
  for (const bad of ["", ` ${SECRET}`, `${SECRET}1`, SECRET.replace("1", "x"), "00".repeat(32)]) {
    assert.throws(() => parseSecretKeyOf(bad, "some/file", { hint: "put it back" }), (error) => {
      assert.ok(error instanceof KeyFileError);
      assert.equal(error.message, "Cannot read a secret key from some/file: it must be 64 hex digits");
      assert.deepEqual([error.code, error.hint], ["KEY_FILE", "put it back"]);
      assert.equal(error.cause, undefined, "the hint is enough");
      return true;
    });
    assert.throws(() => parseSecretKeyOf(bad, "some/file"), ({ cause }) => {
      assert.ok(cause instanceof InvalidKeyError && !cause.message.includes("11"));
      return true;
    });
  }
});

Deno.test("writeKeyFile() writes one line that only the owner can read", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/a.key`;
  await writeKeyFile(systemWorld().files, path, SecretKey.parse(SECRET));
  assert.equal(await Deno.readTextFile(path), `${SECRET}\n`);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("keptKeyPair() makes a key once; what is no key stays as it is, and no hint is to remove it", async () => {
  const folder = await Deno.makeTempDir();
  const [path, other] = [`${folder}/a.key`, `${folder}/visor.json`];
  const world = systemWorld();
  assert.equal(await readKeyPair(world, path), undefined);
  const made = await keptKeyPair(world, path);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  for (const again of [await keptKeyPair(world, path), await readKeyPair(world, path)]) {
    assert.equal(again?.secretKey.reveal(), made.secretKey.reveal());
  }
  const text = JSON.stringify({ sk: SECRET });
  await Deno.writeTextFile(other, text);
  const hints = {
    read: "name a file with a secret key",
    kept: "put the key back, or name another file: with a secret key, or missing to have one made",
  };
  await assert.rejects(readKeyPair(world, other), { code: "KEY_FILE", hint: hints.read });
  await assert.rejects(keptKeyPair(world, other), { code: "KEY_FILE", hint: hints.kept });
  assert.equal(await Deno.readTextFile(other), text);
  await Deno.remove(folder, { recursive: true });
});
