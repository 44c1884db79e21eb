import assert from "node:assert/strict";
import { generateKeys, readKeys } from "../../commands/keys/_keys.ts";
import { renderKeys, renderPlain } from "../../commands/keys/gen.ts";
import { KeyFileError, SecretKey } from "../../lib/crypto/mod.ts";
import { FileNotFoundError } from "../../lib/runtime/mod.ts";
import { type FakeFile, fakeFiles } from "./_fakes.ts";

const SECRET = "11".repeat(32);
const PUBLIC = SecretKey.parse(SECRET).publicKey;

function world(content: Record<string, string> = {}) {
  const files = new Map<string, FakeFile>(
    Object.entries(content).map(([path, text]) => [path, { text, mode: 0o600 }]),
  );
  let next = 1;
  const random = { bytes: (length: number) => new Uint8Array(length).fill(next++) };
  return { files: fakeFiles(files), random, written: files };
}

Deno.test("generateKeys() never overwrites a file, and draws nothing for it", async () => {
  const { files, random, written } = world({ "visor.key": "precious" });
  await assert.rejects(
    generateKeys({ out: "visor.key", reveal: false }, { files, random }),
    (error) => error instanceof KeyFileError && /the file exists/.test(error.message),
  );
  assert.deepEqual(written.get("visor.key")?.text, "precious");
});

Deno.test("generateKeys() gives the secret key away only when asked, and writes it 0600", async () => {
  const { files, random, written } = world();
  const hidden = await generateKeys({ out: "visor.key", reveal: false }, { files, random });
  const file = written.get("visor.key")!;
  assert.deepEqual(file.mode, 0o600);
  assert.match(file.text, /^[0-9a-f]{64}\n$/);
  assert.deepEqual(hidden, { publicKey: SecretKey.parse(file.text.trim()).publicKey, file: "visor.key" });
  assert(!renderKeys(hidden).includes(file.text.trim()));
  const shown = await generateKeys({ reveal: true }, { files, random });
  assert.deepEqual(renderPlain(shown).split("\n"), [shown.publicKey, shown.secretKey]);
  assert.notDeepEqual(shown.publicKey, hidden.publicKey);
});

Deno.test("readKeys() reads key files and both kinds of configuration", async () => {
  const { files } = world({
    "visor.key": `${SECRET}\n`,
    "config.json": JSON.stringify({ version: "v1", sk: SECRET, pk: PUBLIC.toUpperCase() }),
    "server.json": JSON.stringify({ public_key: PUBLIC, secret_key: SECRET }),
    "nokey.json": JSON.stringify({ sk: SECRET }),
  });
  for (const file of ["visor.key", "config.json", "server.json", "nokey.json"]) {
    assert.deepEqual(await readKeys({ file, reveal: false }, { files }), { publicKey: PUBLIC });
    assert.deepEqual(await readKeys({ file, reveal: true }, { files }), {
      publicKey: PUBLIC,
      secretKey: SECRET,
    });
  }
});

Deno.test("readKeys() names the field and the rule, and never repeats the secret", async () => {
  const other = SecretKey.parse("22".repeat(32)).publicKey;
  const cases: [string, RegExp][] = [
    ["", /secret key from f: it must be 64 hex digits/],
    [`${SECRET}ab`, /it must be 64 hex digits/],
    [SECRET.replace("1", "x"), /it must be 64 hex digits/],
    ["0".repeat(64), /it must be 64 hex digits/],
    [`{"sk": "${SECRET}"`, /starts as JSON and is not/],
    [`{}`, /the field sk is not there, or is no text/],
    [`{"sk": 7}`, /the field sk is not there, or is no text/],
    [`{"sk": "${SECRET}ab"}`, /field sk of f: it must be 64 hex digits/],
    [`{"sk": "${SECRET}", "pk": "${other}"}`, /the field pk is 0[23].*belongs to 0[23]/],
    [`{"sk": "${SECRET}", "pk": "${SECRET}"}`, /the field pk is the secret key, but sk belongs to 0[23]/],
    ["x".repeat(4 * 1024 * 1024 + 1), /4194305 bytes are no key file/],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(
      readKeys({ file: "f", reveal: true }, world({ f: text })),
      (error) =>
        error instanceof KeyFileError && message.test(error.message) &&
        !JSON.stringify([error.message, String(error.cause)]).includes(SECRET),
    );
  }
  await assert.rejects(readKeys({ file: "f", reveal: false }, world()), FileNotFoundError);
});
