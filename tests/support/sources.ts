/** Walking the project's own sources. @module */
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath as fromFileUrl } from "node:url";

export { dirname, fromFileUrl, relative };

/** The path with forward slashes, as imports have it. */
export function toPosix(path: string): string {
  return path.split(sep).join("/");
}

/** Every `.ts` file among `names` (files or folders) of `root`; what is missing is passed over. */
export async function* walkSources(root: string, names: readonly string[]): AsyncGenerator<string> {
  for (const name of names) {
    const path = join(root, name);
    const info = await Deno.stat(path).catch(() => undefined);
    if (info?.isFile && path.endsWith(".ts")) yield path;
    if (!info?.isDirectory) continue;
    const children: string[] = [];
    for await (const child of Deno.readDir(path)) children.push(child.name);
    yield* walkSources(path, children.sort());
  }
}
