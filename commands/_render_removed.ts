/** What verbs that take away say of each. What was not there is the error's to say, on stderr. @module */

/** A line for each that is gone now; `done` as in "closed". */
export function renderRemoved(done: string) {
  return (results: readonly { readonly id: string | number; readonly removed: boolean }[]): string =>
    results.filter(({ removed }) => removed).map(({ id }) => `${id} ${done}`).join("\n");
}
