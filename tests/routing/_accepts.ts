/** Routes whose source never comes: what they take of the far end's places. @module */
import { layRoute, link, type Node } from "./_rig.ts";

/** Adds edges of `each` routes of every source, by way of a relay, to their end; gives the refusals. */
export function addEdges(
  sources: readonly Node[],
  [relay, end]: readonly [Node, Node],
  each: number,
): unknown[] {
  const refused: unknown[] = [];
  for (const source of sources) {
    link(source, relay);
    for (let from = 1; from <= each; from++) {
      try {
        end.router.addEdgeRules(layRoute([source, relay, end], { from }).destination);
      } catch (error) {
        refused.push(error);
      }
    }
  }
  return refused;
}
