/**
 * `Scope`: the owner of background work. Whatever starts a loop or a timer owns it and joins it on close.
 *
 * @module
 */
import { isAbort } from "./errors.ts";

/** Owns background work. Leaving its block ends every task and child, and waits for the last. */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #children = new Set<Scope>(); // not listeners on one signal: each further one costs more
  readonly #parent: Scope | undefined;
  #failure: unknown;
  /** Aborted when the scope ends; its reason is the first that was given. */
  readonly signal: AbortSignal = this.#controller.signal;

  constructor(parent?: Scope) {
    this.#parent = parent;
    if (parent === undefined) return;
    parent.#children.add(this);
    if (parent.signal.aborted) this.end(parent.signal.reason);
  }

  /** The number of tasks still running here and in every child. */
  get live(): number {
    let count = this.#tasks.size;
    for (const child of this.#children) count += child.live;
    return count;
  }

  /** The failure that ended the scope, if a task failed. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Starts `work`. Its failure ends the scope: a dead data plane must not look healthy. */
  spawn(name: string, work: (signal: AbortSignal) => Promise<void>): void {
    const started = (async () => await work(this.signal))(); // a throw before its first wait is a failure, too
    const task: Promise<void> = started
      .catch((cause) => {
        if (this.signal.aborted && comesFrom(cause, this.signal.reason)) return;
        const failure = new Error(`Task ${name} failed`, { cause });
        this.#failure ??= failure;
        this.end(failure);
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Tells every task and child to end. The first reason stays. */
  end(reason: unknown = new DOMException("Scope closed", "AbortError")): void {
    if (this.signal.aborted) return;
    this.#controller.abort(reason);
    for (const child of this.#children) child.end(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    while (this.#children.size > 0 || this.#tasks.size > 0) { // a task may make more of both while it ends
      for (const child of [...this.#children]) await child[Symbol.asyncDispose]();
      await Promise.all(this.#tasks);
    }
    if (this.#parent !== undefined) this.#parent.#children.delete(this);
  }
}

/** True for what follows from the end of a scope: its reason, or an abort, itself or below a closed connection. */
function comesFrom(error: unknown, reason: unknown): boolean {
  for (let current = error, depth = 0; depth < CAUSES_MAX; depth++) {
    if (current === reason || isAbort(current)) return true;
    if (!(current instanceof Error)) return false;
    current = current.cause;
  }
  return false;
}

/** Causes that are looked at: they could be a ring. */
const CAUSES_MAX = 8;
