/** A body of text, line by line as it comes. @module */
import { LimitError } from "../base/mod.ts";
import type { BodyReader } from "./body.ts";

/** The lines that come together, in packs; otherwise as {@link bodyLines}. No pack is empty. */
export async function* bodyLinePacks(body: BodyReader, lineCharsMax: number): AsyncGenerator<string[], void> {
  const decoder = new TextDecoder();
  let text = "";
  for (let view = await body.read(); view !== null; view = await body.read()) {
    const lines = (text + decoder.decode(view, { stream: true })).split("\n");
    text = lines.pop()!;
    if (text.length > lineCharsMax) throw new LimitError(`A line exceeds ${lineCharsMax} characters`);
    if (lines.length > 0) yield lines;
  }
  if (text !== "") yield [text];
}

/** Each line without its end, the last one also without one. Errors: `LimitError` for a longer one; those of the body. */
export async function* bodyLines(body: BodyReader, lineCharsMax: number): AsyncGenerator<string, void> {
  for await (const lines of bodyLinePacks(body, lineCharsMax)) yield* lines;
}
