/** What the outside refuses, by cause. @module */
import { CallerError, type SkyErrorOptions, WorldError } from "../base/mod.ts";
import type { SocketAddress } from "./world.ts";

/** `host:port`, with brackets around an IPv6 host. */
export function renderSocketAddress({ hostname, port }: SocketAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Nobody answers at an address: refused, no route, name unknown, or the connection broke while dialling. */
export class UnreachableError extends WorldError {
  readonly code = "UNREACHABLE";
  constructor(readonly address: SocketAddress, options: SkyErrorOptions = {}) {
    super(`Cannot connect to ${renderSocketAddress(address)}`, options);
  }
}

/** Another program holds the port. */
export class AddressInUseError extends WorldError {
  readonly code = "ADDRESS_IN_USE";
  constructor(readonly address: SocketAddress, options: SkyErrorOptions = {}) {
    super(`Cannot listen on ${renderSocketAddress(address)}: the port is in use`, {
      hint: "stop the other program, or choose another port (0 takes any free one)",
      ...options,
    });
  }
}

/** The system does not allow it: a low port, a file of someone else. */
export class NotPermittedError extends WorldError {
  readonly code = "NOT_PERMITTED";
  constructor(act: string, options: SkyErrorOptions = {}) {
    super(`${act}: permission denied`, options);
  }
}

/** The address cannot be one of this machine, or is no address. */
export class BadAddressError extends CallerError {
  readonly code = "BAD_ADDRESS";
}

/** There is no such file, or no folder for it. */
export class FileNotFoundError extends WorldError {
  readonly code = "FILE_NOT_FOUND";
  /** `what` is missing at `path`: for a file that should be written, the folder that it should be in. */
  constructor(
    readonly path: string,
    { what = "file", ...options }: SkyErrorOptions & { readonly what?: "file" | "folder" } = {},
  ) {
    super(`No such ${what}: ${path}`, {
      hint: what === "folder"
        ? `make it first, for instance with mkdir -p ${path}`
        : "check the path: a relative one begins at the folder that the command is given in",
      ...options,
    });
  }
}

/** A file cannot be used for another reason than absence or permission. */
export class FileError extends WorldError {
  readonly code = "FILE_ERROR";
}

/** A socket failed in another way: too many open files, a datagram that is too long for the network. */
export class NetworkError extends WorldError {
  readonly code = "NETWORK_ERROR";
}
