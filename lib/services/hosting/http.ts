/** A service's questions out of HTTP requests, and what becomes of its failures. @module */
import { LimitError, type Log } from "../../base/mod.ts";
import { type RawHandler, readAll } from "../../http/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { StoreError } from "../store/mod.ts";
import type { Refusals } from "./refusals.ts";
import type { RequestCounts } from "./request_counts.ts";
import { type Answer, type Question, type ServiceApi, STORE_FAILED, TOO_LARGE } from "./answers.ts";
import { StoreFailures } from "./store_failures.ts";

/** What is counted of a service's answers. */
export interface AnswerCounts {
  readonly refusals: Refusals;
  readonly requests: RequestCounts;
}

/** The handler for HTTP and dmsg alike; its answers are counted. */
export function handlerOf(
  api: ServiceApi,
  { log, clock, counts }: {
    readonly log: Log;
    readonly clock: Pick<Clock, "monotonicMs">;
    readonly counts?: AnswerCounts;
  },
): RawHandler {
  const failures = new StoreFailures(log, clock);
  return async (request) => {
    const { path, query } = splitTarget(request.target);
    const answer = await answerOf(api, {
      method: request.method,
      path,
      query,
      header: (name) => request.headers.get(name),
      bytes: (bytesMax) => readAll(request.body, bytesMax),
      remote: request.remote,
    }, failures);
    counts?.refusals.count(answer);
    counts?.requests.count({ method: request.method, path, status: answer.status });
    return answer.parts === undefined ? answer : { ...answer, body: answer.parts() };
  };
}

/** The answer, also where the body is too large or the store cannot be used. */
export async function answerOf(
  api: ServiceApi,
  question: Question,
  failures: Pick<StoreFailures, "tell">,
): Promise<Answer> {
  try {
    return await api(question);
  } catch (error) {
    if (error instanceof LimitError) return TOO_LARGE;
    if (!(error instanceof StoreError)) throw error;
    failures.tell(error, { path: question.path });
    return STORE_FAILED;
  }
}

/** Path and query of a target as it was sent; nothing is decoded. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const origin = /^[a-z]+:\/\/[^/?#]*/i.exec(target)?.[0].length ?? 0;
  const [whole] = target.slice(origin).split("#", 1);
  const mark = whole!.indexOf("?");
  return mark < 0
    ? { path: whole!, query: "" }
    : { path: whole!.slice(0, mark), query: whole!.slice(mark + 1) };
}
