/** A terminal of two strings, and files in memory: what a command needs of the outside. @module */
import type { Terminal } from "../../lib/cli/mod.ts";
import { FileNotFoundError, type Files } from "../../lib/runtime/mod.ts";

/** Keeps what is written; `interrupt` is Ctrl-C. */
export class FakeTerminal implements Terminal {
  stdout = "";
  stderr = "";
  handlers: (() => void)[] = [];
  readonly environment: Record<string, string> = {};
  readonly pid = 4711;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  size = { columns: 60, rows: 24 };
  constructor({ outIsTerminal = false, errIsTerminal = false } = {}) {
    this.outIsTerminal = outIsTerminal;
    this.errIsTerminal = errIsTerminal;
  }
  out(text: string): void {
    this.stdout += text;
  }
  outBytes(bytes: Uint8Array): Promise<void> {
    this.stdout += new TextDecoder().decode(bytes);
    return Promise.resolve();
  }
  err(text: string): void {
    this.stderr += text;
  }
  env(name: string): string | undefined {
    return this.environment[name];
  }
  columns(): number | undefined {
    return this.outIsTerminal || this.errIsTerminal ? this.size.columns : undefined;
  }
  rows(): number | undefined {
    return this.outIsTerminal ? this.size.rows : undefined;
  }
  onInterrupt(handler: () => void): void {
    this.handlers.push(handler);
  }
  interrupt(): void {
    for (const handler of this.handlers) handler();
  }
}

const STEERING = new RegExp("\x1b\\[[?0-9]*[a-zA-Z]", "g");

/** What a terminal shows of a text: `by` stands where it was steered. */
export function withoutSteering(text: string, by = ""): string {
  return text.replace(STEERING, by);
}

/** One file in memory. */
export interface FakeFile {
  readonly text: string;
  readonly mode: number;
}

/** The part of `Files` that key files need, over a map; the rest throws. */
export function fakeFiles(content: Map<string, FakeFile>): Files {
  const notHere = () => Promise.reject(new Error("Not in these files"));
  return {
    read(path) {
      const file = content.get(path);
      if (file === undefined) return Promise.reject(new FileNotFoundError(path));
      return Promise.resolve(new TextEncoder().encode(file.text));
    },
    write(path, bytes, { mode = 0o644 } = {}) {
      content.set(path, { text: new TextDecoder().decode(bytes), mode });
      return Promise.resolve();
    },
    info(path) {
      const file = content.get(path);
      if (file === undefined) return Promise.resolve(undefined);
      const { text, mode } = file;
      return Promise.resolve({ isFile: true, isDirectory: false, bytes: text.length, modifiedMs: 0, mode });
    },
    absolute: (path) => path.startsWith("/") ? path : `/${path}`,
    realPath: notHere,
    list: notHere,
    makeDirectory: notHere,
    remove: notHere,
    openRead: notHere,
    openWrite: notHere,
    tryLock: notHere,
    append: notHere,
  };
}
