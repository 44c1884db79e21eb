/**
 * One app while it is wanted: started, and started again with a back-off when it ends by itself.
 *
 *     starting --listens--> up --ends by itself--> pausing --back-off--> starting
 *         \______ fails ___________________________/ \
 *                                              any --stop--> stopped
 *
 * @module
 */
import { describeError, Scope, WorldError } from "../../base/mod.ts";
import { sleep } from "../../runtime/mod.ts";
import type { AppContext, AppInstance } from "./app.ts";

/** The first pause after an app that had run well; doubled each time. */
const APP_RETRY_MS = 1_000;
const APP_RETRY_MS_MAX = 60_000;
/** An app that ran so long ran well. */
const APP_GOOD_AFTER_MS = 60_000;

export class RunningApp {
  /** Settles when the first attempt to start has come to something; never rejects. */
  readonly tried: Promise<void>;
  /** How often it was started again. */
  restarts = 0;
  /** Why it does not run just now; undefined while it does, or starts for the first time. */
  failure: string | undefined;
  instance: AppInstance | undefined;
  readonly #scope = new Scope();

  /** `onChange`: there is an instance, or there is none any more. */
  constructor(
    start: (context: AppContext) => Promise<AppInstance>,
    context: AppContext,
    onChange: () => void = () => {},
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.tried = promise;
    this.#scope.spawn(
      "app",
      (signal) => this.#run(start, context, { signal, tried: resolve, onChange }).finally(resolve),
    );
  }

  get isStopping(): boolean {
    return this.#scope.signal.aborted;
  }

  /** Ends it for good, and waits until nothing of it is left. */
  async stop(): Promise<void> {
    this.#scope.end();
    await this.instance?.close();
    await this.#scope[Symbol.asyncDispose]();
  }

  async #run(
    start: (context: AppContext) => Promise<AppInstance>,
    context: AppContext,
    { signal, tried, onChange }: { signal: AbortSignal; tried: () => void; onChange: () => void },
  ): Promise<void> {
    const { world: { clock }, log } = context;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        const instance = this.instance = await start(context);
        this.failure = undefined;
        tried();
        onChange();
        if (!signal.aborted) await instance.ended;
        await instance.close();
        throw new AppEndedError();
      } catch (error) {
        this.instance = undefined;
        onChange();
        if (signal.aborted) return;
        this.failure = describeError(error);
      }
      tried();
      failures = clock.monotonicMs() - startedMs >= APP_GOOD_AFTER_MS ? 0 : failures + 1;
      const pauseMs = Math.min(APP_RETRY_MS * 2 ** Math.min(failures - 1, 16), APP_RETRY_MS_MAX);
      log.warn("The app has ended", { app: context.name, why: this.failure, againMs: pauseMs });
      await sleep(clock, pauseMs, signal).catch(() => {}); // its end is the loop's condition
      this.restarts++;
    }
  }
}

/** Nobody asked it to. */
class AppEndedError extends WorldError {
  readonly code = "APP_ENDED";
  constructor() {
    super("The app has ended by itself");
  }
}
