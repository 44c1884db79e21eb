/** The `Range` field of a request for part of a file. Pure. @module */

/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What part of `bytes` bytes a `Range` value asks for: one range; `unsatisfiable` (answer 416); or `whole`,
 * for none, another unit, several ranges, and anything malformed, all of which a server may ignore
 * (RFC 9110 14.2).
 */
export function parseRange(value: string | undefined, bytes: number): ByteRange | "whole" | "unsatisfiable" {
  const parts = /^bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i.exec(value ?? "");
  if (parts === null) return "whole";
  const [, from, to] = parts as unknown as [string, string, string];
  if (from === "" && to === "") return "whole";
  if (from === "") {
    const length = Math.min(Number(to), bytes);
    return length === 0 ? "unsatisfiable" : { first: bytes - length, last: bytes - 1 };
  }
  const first = Number(from);
  if (to !== "" && Number(to) < first) return "whole";
  if (first >= bytes) return "unsatisfiable";
  return { first, last: to === "" ? bytes - 1 : Math.min(Number(to), bytes - 1) };
}

/** `Content-Range` of an answer 206, or 416 when `range` is missing. */
export function contentRange(bytes: number, range?: ByteRange): string {
  return range === undefined ? `bytes */${bytes}` : `bytes ${range.first}-${range.last}/${bytes}`;
}
