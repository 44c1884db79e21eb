/** Text of long lists that is kept for whoever asks for the same a moment later. @module */

/** A part of a list, and how far it comes. */
export interface TextPart {
  /** Undefined when nobody of it is wanted. */
  readonly bytes: Uint8Array | undefined;
  /** The last key of it; undefined where nobody is left. */
  readonly last: string | undefined;
  /** Somebody was told of, in this part or before. */
  readonly isBegun: boolean;
  readonly isEnd: boolean;
}

/** Bytes that several texts may take together. */
export class TextRoom {
  #left: number;

  constructor(bytesMax: number) {
    this.#left = bytesMax;
  }

  get left(): number {
    return this.#left;
  }

  /** False when there are not as many left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** The parts of one list, from the first on, as they were made by whoever read on first. */
export class KeptText {
  readonly #room: TextRoom;
  #parts: TextPart[] | undefined = [];

  constructor(room: TextRoom) {
    this.#room = room;
  }

  /** Undefined: it was not made, there was no room for it, or all was given up. */
  part(place: number): TextPart | undefined {
    return this.#parts?.[place];
  }

  /** Keeps one behind those that are kept. False when it is not the next one, or has no room. */
  add(place: number, part: TextPart): boolean {
    if (this.#parts?.length !== place || !this.#room.take(part.bytes?.length ?? 0)) return false;
    this.#parts.push(part);
    return true;
  }

  /** Whoever is reading goes on alone. */
  giveUp(): void {
    for (const { bytes } of this.#parts ?? []) this.#room.give(bytes?.length ?? 0);
    this.#parts = undefined;
  }
}
