/** Folders that a visor serves on dmsg ports: on 80 beside its own pages, on any other by a server of their own. @module */
import { type Log, Scope } from "../base/mod.ts";
import { type DmsgClient, DmsgError, serveDmsgHttp } from "../dmsg/mod.ts";
import type { RawHandler } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { DmsgPortTakenError, NotAFolderError } from "./errors.ts";
import { folderHandler } from "./folder_handler.ts";

export interface ServedFoldersOptions {
  readonly world: World;
  readonly dmsg: DmsgClient;
  /** The servers run in it, until it ends. */
  readonly scope: Scope;
  readonly log: Log;
}

interface ServedFolder {
  readonly folder: string;
  readonly port: number;
  readonly handler: RawHandler;
}

export class ServedFolders {
  readonly #options: ServedFoldersOptions;
  readonly #folders: ServedFolder[] = []; // the newest first, one for a port
  #isClosed = false;

  constructor(options: ServedFoldersOptions) {
    this.#options = options;
  }

  list(): { folder: string; port: number }[] {
    return this.#folders.map(({ folder, port }) => ({ folder, port }));
  }

  /** What answers on port 80 before the visor's own pages do: one at most. */
  besideOwnPages(): RawHandler[] {
    return this.#folders.filter(({ port }) => port === 80).map(({ handler }) => handler);
  }

  /**
   * Serves a folder. The result takes it off again. Errors: `NotAFolderError`; `DmsgPortTakenError`; `DmsgError` 200
   * when the visor closes.
   */
  async add(wanted: { folder: string; port: number }): Promise<() => void> {
    const { world, dmsg: client, log } = this.#options;
    const { port } = wanted;
    const folder = world.files.absolute(wanted.folder);
    const info = await world.outside(() => world.files.info(folder));
    if (info?.isDirectory !== true) throw new NotAFolderError(folder);
    if (this.#isClosed) throw new DmsgError(200);
    const other = this.#folders.find((each) => each.port === port);
    if (other !== undefined) throw new DmsgPortTakenError(port, { folder: other.folder });
    const served = { folder, port, handler: folderHandler(folder, world) };
    const scope = new Scope(this.#options.scope);
    if (port !== 80) {
      try {
        serveDmsgHttp({ client, world, handler: { raw: served.handler }, scope, log, port });
      } catch (error) {
        await scope[Symbol.asyncDispose]();
        const isTaken = error instanceof DmsgError && error.dmsgCode === 400;
        throw isTaken ? new DmsgPortTakenError(port, { cause: error }) : error;
      }
    }
    this.#folders.unshift(served);
    return () => {
      const index = this.#folders.indexOf(served);
      if (index >= 0) this.#folders.splice(index, 1);
      void scope[Symbol.asyncDispose]();
    };
  }

  /** Takes all off, and no further one on; their servers end with the scope. */
  close(): void {
    this.#isClosed = true;
    this.#folders.length = 0;
  }
}
