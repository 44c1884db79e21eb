/** A PostgreSQL server for services that know no other store. @module */
import { SkipError } from "./build.ts";
import { freePort, type Lab, lastWords, type Program } from "./lab.ts";

/** Debian keeps the server's programs below this, one folder for each version. */
const VERSIONS = "/usr/lib/postgresql";
/** It refuses to run as root; Debian's package makes this user. */
const USER = "postgres";

export class PostgresServer {
  static readonly #servers = new WeakMap<Lab, Promise<PostgresServer>>();
  readonly port: number;
  readonly program: Program;
  /** What names database and user to the peer's services. */
  readonly env = { PG_USER: USER, PG_PASSWORD: USER, PG_DATABASE: "postgres" };

  private constructor(port: number, program: Program) {
    this.port = port;
    this.program = program;
  }

  /** The one of the lab, which lives as long. Errors: `SkipError` where there is no such program. */
  static of(lab: Lab): Promise<PostgresServer> {
    const known = PostgresServer.#servers.get(lab) ?? PostgresServer.#start(lab);
    PostgresServer.#servers.set(lab, known);
    return known;
  }

  static async #start(lab: Lab): Promise<PostgresServer> {
    const binaries = await newest();
    const folder = lab.path("postgres");
    await Deno.mkdir(folder);
    await Deno.chmod(lab.folder, 0o711); // another user's program is to reach its folder in ours
    await run(lab, "chown", [USER, folder]);
    const asUser = ["--reuid", USER, "--regid", USER, "--clear-groups"];
    await run(lab, "setpriv", [
      ...asUser,
      `${binaries}/initdb`,
      ...["-D", folder, "-A", "trust", "-U", USER, "-N"],
    ]);
    const port = freePort();
    const program = lab.start("postgres", "setpriv", [
      ...asUser,
      `${binaries}/postgres`,
      ...["-D", folder, "-p", `${port}`, "-F"],
      ...["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    ], { cwd: folder });
    await program.said(/ready to accept connections/);
    return new PostgresServer(port, program);
  }
}

async function newest(): Promise<string> {
  const versions: number[] = [];
  try {
    for await (const { name } of Deno.readDir(VERSIONS)) if (/^\d+$/.test(name)) versions.push(Number(name));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (versions.length === 0) {
    throw new SkipError(
      `the peer's transport discovery and route finder share a PostgreSQL, and ${VERSIONS} has none`,
    );
  }
  return `${VERSIONS}/${Math.max(...versions)}/bin`;
}

async function run(lab: Lab, command: string, args: readonly string[]): Promise<void> {
  const result = await lab.run(command, command, args, { cwd: "/" });
  if (result.code !== 0) throw new Error(`${command} ${args.at(-1)} failed: ${lastWords(result)}`);
}
