/** What the matrix asks of a program, whoever made it. @module */

/** A network that runs: one discovery, one server. */
export interface Place {
  /** The discovery's HTTP URL. */
  readonly discovery: string;
  readonly serverKey: string;
  /** `host:port` of the server. */
  readonly serverAddress: string;
  /** The same as a deployment file. */
  readonly deploymentFile: string;
}

/** A server that runs. */
export interface RunningServer {
  readonly publicKey: string;
  readonly address: string;
  /** Resolves when its log tells of a session with the key; what it says of the hybrid, where it knows one. */
  sessionWith(client: string): Promise<{ readonly isHybrid: boolean | undefined }>;
  end(): Promise<void>;
}

/** A visor that runs, and serves the site's folder. */
export interface RunningVisor {
  readonly publicKey: string;
  /** Whether its session is hybrid; undefined where it knows no hybrid. Errors: no session with that server. */
  sessionIsHybrid(server: string): Promise<boolean | undefined>;
  /** Whether it warned that this server did not take its offer; undefined where it makes none. */
  warnedOfDowngrade(server: string): boolean | undefined;
  /** Milliseconds of one round trip. */
  ping(key: string): Promise<number>;
  /** The body of an answer with status 200. */
  get(url: string): Promise<string>;
  /** Fetches into a file. */
  download(url: string, file: string): Promise<void>;
  /** The servers in the entry of a key, as this program finds it. */
  delegatedServers(key: string): Promise<string[]>;
  end(): Promise<void>;
}

/** A program that can be every part of a network. */
export interface Build {
  /** What it says of its version. */
  readonly version: string;
  readonly hasHybrid: boolean;
  startDiscovery(): Promise<{ readonly url: string; end(): Promise<void> }>;
  /** Starts and registers over HTTP; the registration is looked for by the caller. */
  startServer(discovery: string): Promise<RunningServer>;
  startVisor(place: Place, site: string): Promise<RunningVisor>;
}

/** Something cannot be tried here. The message says why. */
export class SkipError extends Error {}

/** The SHA-256 of a file, in hex. */
export async function hashOfFile(path: string): Promise<string> {
  return await hashOfBytes(await Deno.readFile(path));
}

/** The SHA-256 of bytes, in hex. */
export async function hashOfBytes(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Refuses a short command that failed; its text otherwise. */
export function textOf(
  what: string,
  { code, stdout, stderr }: { readonly code: number; readonly stdout: string; readonly stderr: string },
): string {
  if (code === 0) return stdout;
  const words = (stderr + stdout).replace(/\s+/g, " ").slice(-500);
  throw new Error(`${what}: exit code ${code}: ${words}`);
}
