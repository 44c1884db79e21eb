/** In whose name `skyctl dmsg curl` asks, and how: through the running visor, or by a client of its own. @module */
import { CallerError, shellWord } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { ControlClient, FETCH_BODY_BYTES_MAX, readControlFile } from "../../lib/control/mod.ts";
import { type KeyPair, parsePublicKey, readKeyPair } from "../../lib/crypto/mod.ts";
import { connectToAny } from "../../lib/directory/mod.ts";
import { dmsgHttpClient, type DmsgUrl, renderDmsgAddress, renderDmsgUrl } from "../../lib/dmsg/mod.ts";
import type { HeaderPairs, HttpResponse } from "../../lib/http/mod.ts";
import { FileNotFoundError } from "../../lib/runtime/mod.ts";
import { type NetworkOptions, withClient } from "../_look_up.ts";

export interface WayOptions extends NetworkOptions {
  /** In the running visor's name. */
  readonly visor?: boolean | undefined;
  /** Of a key of one's own. */
  readonly keyfile?: string | undefined;
  /** Of a dmsg server. */
  readonly via?: string | undefined;
}

export interface CurlRequest {
  readonly method: string;
  readonly headers: HeaderPairs;
  readonly body: Uint8Array | string | undefined;
}

/** Sends a request; resolves with the answer's head. The signal ends the exchange, body included. */
export type Send = (request: CurlRequest, signal: AbortSignal) => Promise<HttpResponse>;

/** Others could have read the key. */
export class KeyFileOpenError extends CallerError {
  readonly code = "KEY_FILE_OPEN";
}

/** A visor runs with this key. */
export class KeyInUseError extends CallerError {
  readonly code = "KEY_IN_USE";
}

/** The control API of a visor takes no such body. */
export class BodyTooLargeError extends CallerError {
  readonly code = "BODY_TOO_LARGE";
}

/** Runs `work` with the way that the options mean. Errors: `NoVisorError`, of the key file, those of `work`. */
export async function withWay(
  io: Io,
  url: DmsgUrl,
  options: WayOptions,
  work: (send: Send) => Promise<void>,
): Promise<void> {
  const world = await io.world();
  if (options.visor === true) {
    await using control = await ControlClient.open(homeOf(io, options), world);
    return await work(({ body, method, headers }, signal) => {
      const fields = headers.map(([name, value]): [string, string] => [name, value]);
      const request = { url: renderDmsgUrl(url), method, headers: fields, body: base64Of(body) };
      return control.fetch(request, signal);
    });
  }
  const keys = options.keyfile === undefined ? {} : { keys: await ownKeys(io, options.keyfile, options) };
  await withClient(io, options, keys, async (client) => {
    const http = options.via === undefined
      ? client.http
      : dmsgHttpClient(client.dmsg, world, `skyctl/${io.version}`, { via: parsePublicKey(options.via) });
    try {
      await work(async (request, signal) => {
        await connectToAny(client.dmsg, signal);
        return await http.send(
          { ...request, url: `http://${renderDmsgAddress(url.address)}${url.path}` },
          { signal },
        );
      });
    } finally {
      if (http !== client.http) await http.close();
    }
  });
}

/** Errors: `KeyFileError`, `KeyFileOpenError`, `KeyInUseError`, those of the files. */
async function ownKeys(io: Io, file: string, options: NetworkOptions): Promise<KeyPair> {
  const { files } = await io.world();
  const mode = (await files.info(file))?.mode ?? 0;
  if ((mode & 0o077) !== 0) {
    throw new KeyFileOpenError(`Others may read the secret key in ${file}: its mode is ${mode.toString(8)}`, {
      hint: `chmod 600 ${shellWord(file)}`,
    });
  }
  const keys = await readKeyPair({ files }, file);
  if (keys === undefined) throw new FileNotFoundError(file);
  const running = await readControlFile(files, homeOf(io, options)).catch(() => undefined);
  if (running?.publicKey === keys.publicKey) {
    throw new KeyInUseError(
      "The running visor has this key: a second client with it would end its sessions",
      {
        hint: "--visor asks in the visor's name",
      },
    );
  }
  return keys;
}

function base64Of(body: Uint8Array | string | undefined): string | undefined {
  if (body === undefined) return undefined;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  if (bytes.length > FETCH_BODY_BYTES_MAX) {
    throw new BodyTooLargeError(
      `A body that goes through the visor has at most ${FETCH_BODY_BYTES_MAX} bytes, and this one ${bytes.length}`,
      { hint: "--keyfile sends one of any length" },
    );
  }
  return bytes.toBase64();
}
