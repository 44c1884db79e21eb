/**
 * A folder as a web site: files, ranges, and an index of each directory.
 *
 * @module
 */
import { contentRange, parseRange, type RawHandler, type RawRequest, type RawResponse } from "../http/mod.ts";
import { FileNotFoundError, NotPermittedError, type World } from "../runtime/mod.ts";
import { getMimeType } from "hono/utils/mime";

/** A piece that is read from disk at once. */
const PIECE_BYTES = 256 * 1024;

/** Answers GET and HEAD below a folder. Nothing outside of it is reachable by any path. */
export function folderHandler(folder: string, world: Pick<World, "files" | "outside">): RawHandler {
  const root = folder.replace(/[/\\]+$/, "");
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain(405, "Method not allowed", [["Allow", "GET, HEAD"]]);
    }
    const pathname = request.target.split("?", 1)[0]!;
    const segments = safeSegments(pathname);
    if (segments === undefined) return plain(400, "Bad path");
    try {
      return await answer([root, ...segments].join("/") || "/", pathname, request, world);
    } catch (error) {
      if (error instanceof FileNotFoundError) return plain(404, "Not found");
      if (error instanceof NotPermittedError) return plain(403, "Forbidden");
      throw error;
    }
  };
}

async function answer(
  path: string,
  pathname: string,
  request: RawRequest,
  world: Pick<World, "files" | "outside">,
): Promise<RawResponse> {
  const { files } = world;
  const info = await world.outside(() => files.info(path));
  if (info?.isFile) return await sendFile(path, request, world);
  if (!info?.isDirectory) return plain(404, "Not found");
  if (!pathname.endsWith("/")) return plain(301, "Moved permanently", [["Location", `${pathname}/`]]);
  const index = `${path}/index.html`;
  if ((await world.outside(() => files.info(index)))?.isFile) return await sendFile(index, request, world);
  return listing(pathname, await world.outside(() => files.list(path)));
}

/** The decoded segments of a path, or undefined when one would leave the folder or is no name. */
export function safeSegments(pathname: string): string[] | undefined {
  const segments: string[] = [];
  for (const raw of pathname.split("/")) {
    if (raw === "" || raw === ".") continue;
    let segment: string;
    try {
      segment = decodeURIComponent(raw);
    } catch {
      return undefined;
    }
    // A colon names a stream or a drive on Windows, a backslash separates there.
    // deno-lint-ignore no-control-regex
    if (segment === ".." || segment === "." || /[/\\\x00-\x1f:]/.test(segment)) return undefined;
    segments.push(segment);
  }
  return segments;
}

async function sendFile(
  path: string,
  request: RawRequest,
  { files, outside }: Pick<World, "files" | "outside">,
): Promise<RawResponse> {
  const file = await outside(() => files.openRead(path));
  const headers: [string, string][] = [
    ["Content-Type", getMimeType(path) ?? "application/octet-stream"],
    ["Accept-Ranges", "bytes"],
  ];
  const range = parseRange(request.headers.get("range"), file.bytes);
  if (range === "unsatisfiable") {
    file.close();
    return { status: 416, headers: [...headers, ["Content-Range", contentRange(file.bytes)]] };
  }
  const isPart = range !== "whole";
  const { first, last } = isPart ? range : { first: 0, last: file.bytes - 1 };
  const bodyBytes = last - first + 1;
  if (isPart) headers.push(["Content-Range", contentRange(file.bytes, range)]);
  const status = isPart ? 206 : 200;
  if (request.method === "HEAD") {
    file.close();
    return { status, headers, bodyBytes };
  }
  if (first > 0) await outside(() => file.seek(first));
  const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, bodyBytes)));
  let left = bodyBytes;
  return {
    status,
    headers,
    bodyBytes,
    body: {
      async read() {
        if (left === 0) return null;
        const length = await outside(() => file.read(piece.subarray(0, Math.min(piece.length, left))));
        left -= length;
        return length === 0 ? null : piece.subarray(0, length); // shorter than it was: the server sees it
      },
    },
    onDone: () => file.close(),
  };
}

function listing(pathname: string, names: readonly string[]): RawResponse {
  const rows = names.map((name) => `<li><a href="${encodeURIComponent(name)}">${escapeHtml(name)}</a></li>`);
  const title = escapeHtml(decodeURIComponent(pathname));
  const body = `<!doctype html>\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n` +
    `<ul>\n${rows.join("\n")}\n</ul>\n`;
  return { status: 200, headers: [["Content-Type", "text/html; charset=utf-8"]], body };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function plain(
  status: number,
  text: string,
  headers: readonly (readonly [string, string])[] = [],
): RawResponse {
  return {
    status,
    headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers],
    body: `${status} ${text}\n`,
  };
}
