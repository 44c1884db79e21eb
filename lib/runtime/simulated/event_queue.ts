/** Events in the order in which virtual time reaches them. @module */

/** Something that happens at a time. `run` is called once, unless the event is cancelled before. */
export interface QueuedEvent {
  readonly atMs: number;
  /** The order of scheduling: decides between events of the same time. */
  readonly number: number;
  readonly run: () => void;
  /** False once it was taken or cancelled. */
  isQueued: boolean;
}

/** Cancelled events stay in the heap until they come up, or until they are this share of it. */
const CANCELLED_SHARE_MAX = 0.5;

/** A heap by (time, number). */
export class EventQueue {
  #heap: QueuedEvent[] = [];
  #cancelled = 0;
  #scheduled = 0;

  /** The number of events that will still run. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  schedule(atMs: number, run: () => void): QueuedEvent {
    const event: QueuedEvent = { atMs, number: this.#scheduled++, run, isQueued: true };
    this.#heap.push(event);
    this.#siftUp(this.#heap.length - 1);
    return event;
  }

  /** Does nothing to an event that ran or was cancelled. */
  cancel(event: QueuedEvent): void {
    if (!event.isQueued) return;
    event.isQueued = false;
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled > this.#heap.length * CANCELLED_SHARE_MAX) this.#compact();
  }

  /** When the next event is due; undefined when there is none. */
  nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** Takes the earliest event out; the caller runs it. */
  take(): QueuedEvent | undefined {
    this.#dropCancelled();
    const event = this.#removeFirst();
    if (event !== undefined) event.isQueued = false;
    return event;
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && !this.#heap[0]!.isQueued) {
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  #removeFirst(): QueuedEvent | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined || this.#heap.length === 0) return first;
    this.#heap[0] = last;
    this.#siftDown(0);
    return first;
  }

  #compact(): void {
    this.#heap = this.#heap.filter((event) => event.isQueued).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }

  #siftUp(start: number): void {
    const heap = this.#heap;
    const event = heap[start]!;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const event = heap[start]!;
    let index = start;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, event)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = event;
  }
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
