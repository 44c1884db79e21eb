/**
 * A folder as a web site: files, ranges, and an index of each directory.
 *
 * @module
 */
import { contentRange, parseRange, type RawHandler, type RawRequest, type RawResponse } from "../http/mod.ts";
import { FileNotFoundError, NotPermittedError, type World } from "../runtime/mod.ts";

/** A piece that is read from disk at once. */
const PIECE_BYTES = 256 * 1024;

/**
 * Answers GET and HEAD below a folder. Nothing outside of it is reachable: by no path, and by no link in it, which
 * is followed only when it leads to a place inside.
 */
export function folderHandler(folder: string, world: Pick<World, "files" | "outside">): RawHandler {
  const root = folder.replace(/[/\\]+$/, "");
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain(405, "Method not allowed", [["Allow", "GET, HEAD"]]);
    }
    const segments = safeSegments(request.target.split("?", 1)[0]!);
    if (segments === undefined) return plain(400, "Bad path");
    try {
      return await answer(root, segments, request, world);
    } catch (error) {
      if (error instanceof FileNotFoundError) return plain(404, "Not found");
      if (error instanceof NotPermittedError) return plain(403, "Forbidden");
      throw error;
    }
  };
}

async function answer(
  root: string,
  segments: readonly string[],
  request: RawRequest,
  world: Pick<World, "files" | "outside">,
): Promise<RawResponse> {
  const { files } = world;
  const path = [root, ...segments].join("/") || "/";
  if (!await world.outside(() => isInside(root || "/", path, files))) return plain(404, "Not found");
  const info = await world.outside(() => files.info(path));
  if (info?.isFile) return await sendFile(path, request, world);
  if (!info?.isDirectory) return plain(404, "Not found");
  // Made of the checked segments: a target of two slashes would name another host.
  const place = ["", ...segments.map(encodeURIComponent), ""].join("/");
  const [pathname] = request.target.split("?", 1) as [string];
  if (!pathname.endsWith("/")) return plain(301, "Moved permanently", [["Location", place]]);
  const index = `${path}/index.html`;
  if (
    (await world.outside(() => files.info(index)))?.isFile &&
    await world.outside(() => isInside(root || "/", index, files))
  ) return await sendFile(index, request, world);
  return listing(["", ...segments, ""].join("/"), await world.outside(() => files.list(path)));
}

/** Where all links on the way are followed: is it still in the folder? */
async function isInside(root: string, path: string, files: World["files"]): Promise<boolean> {
  const [realRoot, real] = [await files.realPath(root), await files.realPath(path)];
  return real === realRoot || real.startsWith(realRoot.replace(/[/\\]$/, "") + realRoot.match(/[/\\]/)![0]);
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
  world: Pick<World, "files" | "outside">,
): Promise<RawResponse> {
  const { getMimeType } = await world.outside(() => import("hono/utils/mime"));
  const file = await world.outside(() => world.files.openRead(path));
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
  const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, bodyBytes)));
  let left = bodyBytes;
  let isAtFirst = first === 0;
  return {
    status,
    headers,
    bodyBytes,
    body: {
      async read() {
        if (left === 0) return null;
        if (!isAtFirst) await world.outside(() => file.seek(first));
        isAtFirst = true;
        const length = await world.outside(() => file.read(piece.subarray(0, Math.min(piece.length, left))));
        left -= length;
        return length === 0 ? null : piece.subarray(0, length); // shorter than it was: the server sees it
      },
    },
    onDone: () => file.close(),
  };
}

function listing(pathname: string, names: readonly string[]): RawResponse {
  const rows = names.map((name) => `<li><a href="${encodeURIComponent(name)}">${escapeHtml(name)}</a></li>`);
  const title = escapeHtml(pathname);
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
