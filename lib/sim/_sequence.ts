/**
 * The bytes of a checked stream: each follows from the stream's number, the direction and its position, so that
 * whoever reads knows what must come, and one that is lost, doubled or out of its place is seen.
 *
 * @module
 */

/** Which way bytes go: from who dialled, or back. */
export type Direction = "there" | "back";

/** Writes the bytes from `position` on into the whole of `into`. */
export function fillSequence(into: Uint8Array, stream: number, direction: Direction, position: number): void {
  const lane = laneOf(stream, direction);
  for (let index = 0; index < into.length;) {
    const at = position + index;
    let word = wordAt(lane, at >>> 2) >>> ((at & 3) * 8);
    for (let left = 4 - (at & 3); left > 0 && index < into.length; left--) {
      into[index++] = word;
      word >>>= 8;
    }
  }
}

/** The index in `bytes` of the first that is not what must stand at `position` and after; -1 when all are. */
export function firstWrong(
  bytes: Uint8Array,
  stream: number,
  direction: Direction,
  position: number,
): number {
  const lane = laneOf(stream, direction);
  for (let index = 0; index < bytes.length;) {
    const at = position + index;
    let word = wordAt(lane, at >>> 2) >>> ((at & 3) * 8);
    for (let left = 4 - (at & 3); left > 0 && index < bytes.length; left--) {
      if (bytes[index] !== (word & 255)) return index;
      index++;
      word >>>= 8;
    }
  }
  return -1;
}

function laneOf(stream: number, direction: Direction): number {
  return Math.imul(stream * 2 + (direction === "there" ? 0 : 1), 0x9e3779b1);
}

/** A finished mix (murmur3) of lane and place: near places have far words. */
function wordAt(lane: number, place: number): number {
  let word = lane ^ Math.imul(place + 1, 0xcc9e2d51);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
