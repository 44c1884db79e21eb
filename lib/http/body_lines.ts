/** A body of text, line by line as it comes. @module */
import { LimitError } from "../base/mod.ts";
import type { BodyReader } from "./body.ts";

/** Each line without its end, the last one also without one. Errors: `LimitError` for a longer one; those of the body. */
export async function* bodyLines(body: BodyReader, lineCharsMax: number): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = "";
  for (let view = await body.read(); view !== null; view = await body.read()) {
    const lines = (text + decoder.decode(view, { stream: true })).split("\n");
    text = lines.pop()!;
    if (text.length > lineCharsMax) throw new LimitError(`A line exceeds ${lineCharsMax} characters`);
    yield* lines;
  }
  if (text !== "") yield text;
}
