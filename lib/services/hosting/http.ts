/** A service's questions out of HTTP requests, and what becomes of its failures. @module */
import { describeError, LimitError, type Log } from "../../base/mod.ts";
import { type RawHandler, readAll } from "../../http/mod.ts";
import { StoreError } from "../store/mod.ts";
import type { Refusals } from "./refusals.ts";
import type { RequestCounts } from "./request_counts.ts";
import { type Answer, type Question, type ServiceApi, STORE_FAILED, TOO_LARGE } from "./answers.ts";

/** What is counted of a service's answers. */
export interface AnswerCounts {
  readonly refusals: Refusals;
  readonly requests: RequestCounts;
}

/** The handler for HTTP and dmsg alike; its answers are counted. */
export function handlerOf(api: ServiceApi, log: Log, counts?: AnswerCounts): RawHandler {
  return async (request) => {
    const { path, query } = splitTarget(request.target);
    const answer = await answerOf(api, {
      method: request.method,
      path,
      query,
      header: (name) => request.headers.get(name),
      bytes: (bytesMax) => readAll(request.body, bytesMax),
      remote: request.remote,
    }, log);
    counts?.refusals.count(answer);
    counts?.requests.count({ method: request.method, path, status: answer.status });
    return answer;
  };
}

/** The answer, also where the body is too large or the store cannot be used. */
export async function answerOf(api: ServiceApi, question: Question, log: Log): Promise<Answer> {
  try {
    return await api(question);
  } catch (error) {
    if (error instanceof LimitError) return TOO_LARGE;
    if (!(error instanceof StoreError)) throw error;
    log.error("Store failed", {
      error: describeError(error),
      path: question.path.slice(0, LOGGED_PATH_CHARS),
    });
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

/** Of a path in the log: longer than any of ours. */
const LOGGED_PATH_CHARS = 128;
