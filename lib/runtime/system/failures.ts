/** What Deno throws, in our own errors. @module */
import { dirname } from "node:path";
import { ConnResetError, isAbort, SkyError } from "../../base/mod.ts";
import {
  AddressInUseError,
  BadAddressError,
  FileError,
  FileNotFoundError,
  NetworkError,
  NotPermittedError,
  renderSocketAddress,
  UnreachableError,
} from "../errors.ts";
import type { SocketAddress } from "../world.ts";

const { errors } = Deno;

/** Linux, macOS, Windows: the system's own number for "too many open files", and the names of `node:net`. */
const OUT_OF_FILES = /os error (23|24|10024)\b|\bE[MN]FILE\b/;

/** The system does not allow it. */
export function isDenied(error: unknown): boolean {
  return error instanceof errors.PermissionDenied || error instanceof errors.NotCapable ||
    codeOf(error) === "EACCES" || codeOf(error) === "EPERM";
}

/** The name that Node's modules give a failure. */
function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

/** True for an operation that our own close cancelled. */
export function isCancelled(error: unknown): boolean {
  return error instanceof errors.Interrupted || error instanceof errors.BadResource;
}

/** Failure of a read or write on a connected socket. Only a peer or the network can cause it. */
export function connFailure(error: unknown): Error {
  if (error instanceof SkyError) return error;
  return new ConnResetError(undefined, { cause: error });
}

/** Failure to connect. */
export function dialFailure(error: unknown, to: SocketAddress): unknown {
  if (isAbort(error) || error instanceof SkyError) return error;
  if (isDenied(error)) {
    return new NotPermittedError(`Cannot connect to ${renderSocketAddress(to)}`, { cause: error });
  }
  if (error instanceof RangeError || error instanceof URIError || error instanceof TypeError) {
    return badAddress(to, error);
  }
  if (error instanceof Error && OUT_OF_FILES.test(error.message)) return outOfFiles(error);
  return new UnreachableError(to, { cause: error });
}

/** Failure to bind a port. */
export function listenFailure(error: unknown, at: SocketAddress): unknown {
  if (error instanceof errors.AddrInUse || codeOf(error) === "EADDRINUSE") {
    return new AddressInUseError(at, { cause: error });
  }
  if (isDenied(error)) {
    return new NotPermittedError(`Cannot listen on ${renderSocketAddress(at)}`, { cause: error });
  }
  if (error instanceof Error && OUT_OF_FILES.test(error.message)) return outOfFiles(error);
  return badAddress(at, error); // not ours, no such name, no such family, port out of range
}

/** Failure of a bound socket: an accept, a datagram. */
export function socketFailure(error: unknown, act: string): unknown {
  if (error instanceof Error && OUT_OF_FILES.test(error.message)) return outOfFiles(error);
  return new NetworkError(act, { cause: error });
}

/** Failure of anything done to a file. */
export function fileFailure(error: unknown, path: string, act: string): unknown {
  if (error instanceof SkyError) return error;
  if (error instanceof errors.NotFound || codeOf(error) === "ENOENT") {
    if (act !== "write" && act !== "lock") return new FileNotFoundError(path, { cause: error });
    return new FileNotFoundError(dirname(path), { what: "folder", cause: error }); // the file need not be there
  }
  if (isDenied(error)) {
    const hint = `see whose it is: ls -ld ${path}`;
    return new NotPermittedError(`Cannot ${act} ${path}`, { cause: error, hint });
  }
  const hint = error instanceof errors.IsADirectory ? "name a file, and not a folder" : undefined;
  return new FileError(`Cannot ${act} ${path}`, { cause: error, hint });
}

function badAddress(address: SocketAddress, cause: unknown): BadAddressError {
  return new BadAddressError(`Cannot use the address ${renderSocketAddress(address)}`, { cause });
}

function outOfFiles(cause: unknown): NetworkError {
  return new NetworkError("Cannot open a socket: too many open files", {
    cause,
    hint: "raise the limit: ulimit -n 65536",
  });
}
