/** The user interface of a hypervisor in a new configuration: Skywire's own, kept for its programs. @module */
import { toHex } from "../../crypto/mod.ts";
import type { FieldValues } from "../config/mod.ts";
import type { NewConfigOptions } from "./gen.ts";
import { PACKAGE_FOLDERS } from "./gen_folders.ts";
import { isObject } from "./known_fields.ts";

/** Its fields where it is asked for. What an older configuration has of it goes on, unless it is said anew. */
export function generatedHypervisor(
  { world: { random }, resolved: { settings }, system = "linux", userFolder = "." }: NewConfigOptions,
  old: unknown,
): FieldValues {
  const { ishv, auth, noauth, testenv, pkg, user } = settings;
  if (ishv !== true) return {};
  const folder = pkg === true ? PACKAGE_FOLDERS[system] : user === true ? `${userFolder}/.skywire` : ".";
  const secret = (bytes: number) => toHex(random.bytes(bytes));
  const before = isObject(old) ? old : {};
  const cookies = isObject(before["cookies"]) ? before["cookies"] : {};
  return {
    "hypervisor.db_path": before["db_path"] ?? `${folder}/users.db`,
    "hypervisor.enable_auth": noauth === true ? false : auth ?? before["enable_auth"] ?? false,
    "hypervisor.cookies.hash_key": cookies["hash_key"] ?? secret(64),
    "hypervisor.cookies.block_key": cookies["block_key"] ?? secret(32),
    "hypervisor.cookies.expires_duration": cookies["expires_duration"] ?? 43_200_000_000_000, // 12 h in ns
    "hypervisor.cookies.path": cookies["path"] ?? "/",
    "hypervisor.cookies.domain": cookies["domain"] ?? "",
    "hypervisor.dmsg_port": before["dmsg_port"] ?? 46,
    "hypervisor.http_addr": before["http_addr"] ?? (testenv === true ? ":18000" : ":8000"),
    "hypervisor.enable_tls": before["enable_tls"] ?? false,
    "hypervisor.tls_cert_file": before["tls_cert_file"] ?? "./ssl/cert.pem",
    "hypervisor.tls_key_file": before["tls_key_file"] ?? "./ssl/key.pem",
  };
}
