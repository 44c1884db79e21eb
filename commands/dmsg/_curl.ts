/** What `skyctl dmsg curl` does. @module */
import { dirname } from "node:path";
import { CallerError, PeerError, type SkyErrorOptions, TruncatedError } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { doctorHint } from "../../lib/control/mod.ts";
import { parseDmsgUrl } from "../../lib/dmsg/mod.ts";
import type { HttpResponse } from "../../lib/http/mod.ts";
import { FileNotFoundError, withTimeout, type World } from "../../lib/runtime/mod.ts";
import { type WayOptions, withWay } from "./_curl_way.ts";

export interface CurlOptions extends WayOptions {
  readonly method?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly data?: string | undefined;
  readonly out?: string | undefined;
  readonly include?: boolean | undefined;
  readonly timeout: number;
}

/** A body that `--json` prints; a larger one belongs into a file. */
const JSON_BODY_BYTES_MAX = 16 * 1024 * 1024;

/** The server answered, and not with 2xx. */
export class HttpStatusError extends PeerError {
  readonly code = "HTTP_STATUS";
  constructor(readonly status: number, reason: string, url: string, options: SkyErrorOptions = {}) {
    super(`${url} answered with status ${status}${reason === "" ? "" : ` ${reason}`}`, options);
  }
}

/** A header option that is no header. */
export class BadHeaderError extends CallerError {
  readonly code = "BAD_HEADER";
}

/** One request; the body goes where the options say. Errors: `HttpStatusError`, of the way, of the file. */
export async function curl(io: Io, text: string, options: CurlOptions): Promise<void> {
  const url = parseDmsgUrl(text);
  const headers = (options.header ?? []).map(parseHeader);
  const world = await io.world();
  const body = await bodyOf(options.data, world);
  if (options.out !== undefined) await checkFolderOf(options.out, world);
  const method = options.method ?? (body === undefined ? "GET" : "POST");
  await withWay(io, url, options, async (send) => {
    // The signal of this exchange: Ctrl-C. The time-out ends with the head.
    const ended = new AbortController();
    const end = () => ended.abort(io.signal.reason);
    io.signal.addEventListener("abort", end, { once: true });
    const hint = options.visor === true ? doctorHint(homeOf(io, options)) : undefined;
    const limit = { what: `Request to ${text}`, afterMs: options.timeout, signal: io.signal, hint };
    const response = await withTimeout(world.clock, limit, async (signal) => {
      const onLimit = () => ended.abort(signal.reason);
      signal.addEventListener("abort", onLimit, { once: true });
      try {
        return await send({ method, headers, body }, ended.signal);
      } finally {
        signal.removeEventListener("abort", onLimit);
      }
    });
    await deliver(io, world, response, text, options);
  });
}

async function deliver(
  io: Io,
  world: World,
  response: HttpResponse,
  url: string,
  { out: given, include, method, visor, keyfile }: CurlOptions,
): Promise<void> {
  const out = given === "-" ? undefined : given;
  const { status, reason } = response;
  const headers = [...response.headers];
  const isGood = status >= 200 && status < 300;
  if (out !== undefined && isGood) {
    // An answer to HEAD has the length of a body, and none.
    const length = method === "HEAD" ? undefined : response.headers.get("content-length");
    const total = length === undefined ? undefined : Number(length);
    const bytes = await writeBody(io, world, response, { path: out, total });
    io.emit({ url, status, headers, file: out, bytes }, () => include ? renderHead(response) : "");
  } else if (io.json) {
    const content = await response.bytes(JSON_BODY_BYTES_MAX);
    const { encoding, body } = textOrBase64(content);
    io.emit({ url, status, headers, bytes: content.length, encoding, body }, () => "");
  } else {
    if (include) await io.emitBytes(new TextEncoder().encode(renderHead(response) + "\n"));
    for (
      let view = await response.bodyReader.read();
      view !== null;
      view = await response.bodyReader.read()
    ) {
      await io.emitBytes(view);
    }
  }
  if (isGood) return;
  const isNobody = status === 401 && visor !== true && keyfile === undefined;
  throw new HttpStatusError(status, reason, url, {
    hint: isNobody ? "for listed keys alone: --visor asks in the running visor's name" : undefined,
  });
}

/** Told before anything is fetched. Errors: `FileNotFoundError`. */
async function checkFolderOf(path: string, { files }: World): Promise<void> {
  const folder = dirname(files.absolute(path));
  if ((await files.info(folder))?.isDirectory !== true) {
    throw new FileNotFoundError(folder, { what: "folder" });
  }
}

/** To a file that is put in place when every byte has come. */
async function writeBody(
  io: Io,
  world: World,
  response: HttpResponse,
  { path, total }: { readonly path: string; readonly total: number | undefined },
): Promise<number> {
  const file = await world.files.openWrite(path);
  const progress = await io.progress(path, { total });
  let bytes = 0;
  try {
    for (
      let view = await response.bodyReader.read();
      view !== null;
      view = await response.bodyReader.read()
    ) {
      await file.write(view);
      bytes += view.length;
      progress.advance(view.length);
    }
    if (total !== undefined && bytes !== total) {
      throw new TruncatedError(`the body, ${total - bytes} bytes missing`);
    }
    await file.commit();
    return bytes;
  } catch (error) {
    response.discard();
    await file.discard();
    throw error;
  } finally {
    progress.done();
  }
}

function parseHeader(text: string): [string, string] {
  const match = /^([^:\s]+):[ \t]*(.*)$/.exec(text);
  if (match === null) {
    throw new BadHeaderError(`Header ${JSON.stringify(text)} is not name: value`, {
      hint: "-H 'Content-Type: text/plain'",
    });
  }
  return [match[1]!, match[2]!];
}

async function bodyOf(data: string | undefined, { files }: World): Promise<Uint8Array | string | undefined> {
  if (data === undefined || !data.startsWith("@")) return data;
  return await files.read(data.slice(1));
}

function textOrBase64(bytes: Uint8Array): { encoding: "text" | "base64"; body: string } {
  try {
    return { encoding: "text", body: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return {
      encoding: "base64",
      body: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")),
    };
  }
}

function renderHead({ status, reason, headers }: HttpResponse): string {
  return [`HTTP/1.1 ${status} ${reason}`, ...[...headers].map(([name, value]) => `${name}: ${value}`), ""]
    .join("\n");
}
