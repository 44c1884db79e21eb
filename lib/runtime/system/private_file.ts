/** Files for whoever opens them itself, as SQLite does. @module */

/**
 * Makes an empty file that only its owner may read and write, where there is none; through a link, too. What is there
 * stays as it is, and is not even opened: closing it would give back this process's locks on it. Where nothing can be
 * made nothing is said: whoever opens the file finds out why. Windows knows no such modes.
 */
export function makePrivateFile(path: string): void {
  try {
    Deno.statSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return;
    try {
      Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }).close();
    } catch {
      // no folder, no permission, no path at all
    }
  }
}
