/**
 * The launcher: apps by name, those of the configuration and those started since, run inside this process
 * (visor.md 4.1). An app that is not built in is kept and shown, and not started.
 *
 * @module
 */
import { describeError, LimitError, type Log } from "../../base/mod.ts";
import type { AppContext, AppEntry, AppNetwork, AppOffer, AppProgram, AppStatus, ProxyState } from "./app.ts";
import { appNameIn, shownArguments } from "./arguments.ts";
import { AppConfiguredError, AppNotBuiltInError, AppNotFoundError } from "./errors.ts";
import { RunningApp } from "./_running_app.ts";
import { skysocksApp } from "./skysocks_app.ts";
import { skysocksClientApp } from "./skysocks_client_app.ts";

/** Apps that one visor keeps, configured and started since. */
export const LAUNCHER_APPS_MAX = 256;

/** The built-in apps by the name that configurations call them. */
export const APP_PROGRAMS: Readonly<Record<string, AppProgram>> = {
  skysocks: skysocksApp,
  "skysocks-client": skysocksClientApp,
};

export interface LauncherOptions {
  readonly world: AppContext["world"];
  readonly entries: readonly AppEntry[];
  readonly network: AppNetwork;
  readonly log: Log;
  /** Told when an app has started or ended. */
  readonly onChange?: () => void;
  /** Default: {@link APP_PROGRAMS}. */
  readonly programs?: Readonly<Record<string, AppProgram>>;
}

/** One app, as it is now. */
export interface AppState {
  readonly name: string;
  /** Which program it is: several clients may be `skysocks-client`. */
  readonly app: string;
  /** False: an app of the configuration that this program does not have. */
  readonly builtIn: boolean;
  /** As {@link shownArguments} gives them. */
  readonly args: string[];
  readonly port: number;
  readonly autoStart: boolean;
  readonly status: AppStatus;
  readonly detailedStatus: string;
  /** How often it was started again after it had ended by itself. */
  readonly restarts: number;
  readonly proxy?: ProxyState;
}

/** What {@link Launcher.start} may be told. */
export interface StartOptions {
  /** Which app a new name is. Default: the name itself. */
  readonly app?: string;
  /** Instead of those that it has; an app that runs with others is started anew. */
  readonly args?: readonly string[];
}

/** An app that is known: its entry, which program it is, and whether it runs. */
interface Known {
  entry: AppEntry;
  readonly app: string;
  /** Of the configuration: it stays known. */
  readonly isConfigured: boolean;
  running: RunningApp | undefined;
  /** Why the last start came to nothing. */
  failure: string | undefined;
  /** The last start or stop, which the next one waits for. */
  busy: Promise<unknown>;
}

export class Launcher implements AsyncDisposable {
  readonly #options: LauncherOptions;
  readonly #programs: Readonly<Record<string, AppProgram>>;
  readonly #apps = new Map<string, Known>();
  #isClosed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#programs = options.programs ?? APP_PROGRAMS;
    for (const entry of options.entries) this.#add(entry, this.#appOf(entry), { isConfigured: true });
  }

  /** Starts what the configuration starts by itself. What fails shows in its state. */
  startConfigured(): void {
    for (const { entry } of [...this.#apps.values()]) {
      if (!entry.autoStart) continue;
      this.start(entry.name).catch((error) =>
        this.#options.log.warn("Cannot start an app", { app: entry.name, why: describeError(error) })
      );
    }
  }

  /** Every app, in the order of the configuration. */
  apps(): AppState[] {
    return [...this.#apps.values()].map((known) => this.#state(known));
  }

  /** What apps that run offer to everybody. */
  offers(): AppOffer[] {
    return [...this.#apps.values()].flatMap(({ running }) =>
      running === undefined || running.isStopping ? [] : running.instance?.offer ?? []
    );
  }

  /** Undefined: no app has this name. */
  app(name: string): AppState | undefined {
    const known = this.#apps.get(name);
    return known === undefined ? undefined : this.#state(known);
  }

  /**
   * Starts an app and waits until its first attempt has come to something; one that cannot listen yet is tried
   * again, which its state shows. An app that runs already is left alone. Errors: `AppNotFoundError`,
   * `AppNotBuiltInError`, `AppArgumentsError`, `LimitError`.
   */
  async start(name: string, { app, args }: StartOptions = {}): Promise<AppState> {
    const known = this.#apps.get(name) ?? this.#addNew(name, { app, args });
    return await this.#inTurn(known, async () => {
      if (this.#apps.get(name) !== known) return await this.start(name, { app, args }); // removed meanwhile
      const next = args === undefined ? known.entry : { ...known.entry, args };
      const isOther = next.args.join("\0") !== known.entry.args.join("\0");
      if (known.running !== undefined && !isOther) return this.#state(known);
      const start = this.#prepare(known, next);
      await known.running?.stop();
      if (this.#isClosed) return this.#state(known);
      known.entry = next;
      known.failure = undefined;
      const { world, network, log, onChange } = this.#options;
      const context = { name, port: next.port, world, network, log: log.child(name) };
      known.running = new RunningApp(start, context, onChange);
      await known.running.tried;
      return this.#state(known);
    });
  }

  /**
   * Stops an app and waits until nothing of it is left. One that does not run is left alone. Errors:
   * `AppNotFoundError`.
   */
  async stop(name: string): Promise<AppState> {
    return await this.#end(this.#known(name));
  }

  /** Stops an app and forgets it. Errors: `AppNotFoundError`; `AppConfiguredError` for one of the configuration. */
  async remove(name: string): Promise<AppState> {
    const known = this.#known(name);
    if (known.isConfigured) throw new AppConfiguredError(name);
    return await this.#end(known, () => this.#apps.delete(name));
  }

  /** Stops every app; none is started any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#apps.keys()].map((name) => this.stop(name)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #known(name: string): Known {
    const known = this.#apps.get(name);
    if (known === undefined) throw new AppNotFoundError(name);
    return known;
  }

  async #end(known: Known, ended = () => {}): Promise<AppState> {
    void known.running?.stop(); // at once, also while a start waits for its first attempt
    return await this.#inTurn(known, async () => {
      await known.running?.stop();
      known.running = known.failure = undefined;
      if (this.#apps.get(known.entry.name) === known) ended();
      return this.#state(known);
    });
  }

  #state({ entry, app, running, failure }: Known): AppState {
    const { name, args, port, autoStart } = entry;
    const builtIn = Object.hasOwn(this.#programs, app);
    const rest = {
      name,
      app,
      builtIn,
      args: shownArguments(args),
      port,
      autoStart,
      restarts: running?.restarts ?? 0,
    };
    if (running === undefined) {
      if (failure !== undefined) return { ...rest, status: "errored", detailedStatus: failure };
      return { ...rest, status: "stopped", detailedStatus: builtIn ? "Stopped" : "not built in" };
    }
    if (running.isStopping) return { ...rest, status: "running", detailedStatus: "Shutting down" };
    if (running.instance !== undefined) return { ...rest, ...running.instance.state() };
    if (running.failure !== undefined) return { ...rest, status: "errored", detailedStatus: running.failure };
    return { ...rest, status: "starting", detailedStatus: "Starting" };
  }

  #prepare(known: Known, { name, args }: AppEntry): ReturnType<AppProgram> {
    try {
      if (!Object.hasOwn(this.#programs, known.app)) {
        throw new AppNotBuiltInError(name, Object.keys(this.#programs));
      }
      return this.#programs[known.app]!(args);
    } catch (error) {
      if (known.running === undefined) known.failure = describeError(error);
      throw error;
    }
  }

  #addNew(name: string, { app = name, args = [] }: StartOptions): Known {
    if (!Object.hasOwn(this.#programs, app)) throw new AppNotFoundError(name);
    if (this.#apps.size >= LAUNCHER_APPS_MAX) {
      throw new LimitError(`Cannot add the app ${name}: there are ${LAUNCHER_APPS_MAX} already`);
    }
    this.#programs[app]!(args); // an app that can never start is not kept
    return this.#add({ name, binary: app, args, autoStart: false, port: 0 }, app, { isConfigured: false });
  }

  #add(entry: AppEntry, app: string, { isConfigured }: { readonly isConfigured: boolean }): Known {
    const known = {
      entry,
      app,
      isConfigured,
      running: undefined,
      failure: undefined,
      busy: Promise.resolve(),
    };
    this.#apps.set(entry.name, known);
    return known;
  }

  /** Which program an entry means: named in front of its arguments, by its binary, or by its name. */
  #appOf({ name, binary, args }: AppEntry): string {
    const file = binary.split(/[/\\]/).at(-1)!.replace(/\.exe$/, "");
    return appNameIn(args) ?? (Object.hasOwn(this.#programs, file) ? file : name);
  }

  async #inTurn<T>(known: Known, work: () => Promise<T>): Promise<T> {
    const mine = known.busy.then(work);
    known.busy = mine.catch(() => {}); // whoever asked for it hears of it
    return await mine;
  }
}
