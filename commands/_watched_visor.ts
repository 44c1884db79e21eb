/** Events of a running visor that go on when it is stopped and started again. @module */
import { describeError, SkyError } from "../lib/base/mod.ts";
import type { Io } from "../lib/cli/mod.ts";
import { ControlAnswerError, ControlClient, ControlError } from "../lib/control/mod.ts";
import { sleep } from "../lib/runtime/mod.ts";

/** Between two looks whether the visor is there again. */
const BACK_POLL_MS = 500;

/** What happens to the visor itself. */
export type VisorEvent =
  | { readonly event: "visorGone"; readonly atMs: number; readonly failure: string }
  | { readonly event: "visorBack"; readonly atMs: number; readonly publicKey: string };

/**
 * What `open` gives, again and again: when the visor goes, that is told, and it is waited for. Errors: those of the
 * first try (`NoVisorError`), and what the visor refuses.
 */
export async function* watchedVisor<E>(
  io: Io,
  home: string,
  open: (client: ControlClient, signal: AbortSignal) => AsyncIterable<E>,
): AsyncGenerator<E | VisorEvent, void> {
  const { signal } = io;
  const world = await io.world();
  const { clock } = world;
  let state: "new" | "there" | "gone" = "new";
  for (;;) {
    let failure: unknown;
    try {
      await using client = await ControlClient.open(home, world);
      for await (const event of open(client, signal)) {
        const { publicKey } = client.control;
        if (state === "gone") yield { event: "visorBack", atMs: clock.wallMs(), publicKey };
        state = "there";
        yield event;
      }
    } catch (error) {
      if (signal.aborted || state === "new" || !isGone(error)) throw error;
      failure = error;
    }
    if (state === "there") {
      yield { event: "visorGone", atMs: clock.wallMs(), failure: textOf(failure) };
      state = "gone";
    }
    await sleep(clock, BACK_POLL_MS, signal);
  }
}

/** Undefined: the stream ended in order. One that is silent may be there, and only stopped. */
function textOf(failure: unknown): string {
  if (failure === undefined) return "it was stopped";
  const text = describeError(failure);
  return failure instanceof SkyError && failure.hint !== undefined ? `${text} (${failure.hint})` : text;
}

/** Not what the visor said itself; a token that it does not take is that of the visor before it. */
function isGone(error: unknown): boolean {
  if (error instanceof ControlError) return error.code === "CONTROL_TOKEN";
  return error instanceof SkyError && !(error instanceof ControlAnswerError);
}
