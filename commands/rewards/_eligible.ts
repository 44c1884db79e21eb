/** What `skyctl rewards eligible` does. @module */
import { CallerError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import {
  BadDailyUptimesError,
  DAILY_FILE_BYTES_MAX,
  dailyJson,
  dailyLines,
  eligibleOn,
  isDay,
  parseDailyUptimes,
  UptimeTrackerClient,
  type VisorUptime,
} from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { type ServiceOptions, withService } from "../_ask_service.ts";

export interface EligibleOptions extends ServiceOptions {
  readonly date?: string | undefined;
  readonly minPercent: number;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
}

/** A date that no calendar has. */
export class NoSuchDayError extends CallerError {
  readonly code = "NO_SUCH_DAY";
}

/** Nobody can have been up on it. */
export class DayToComeError extends CallerError {
  readonly code = "DAY_TO_COME";
}

export async function runEligible(io: Io, options: EligibleOptions): Promise<void> {
  const world = await io.world();
  const { date, minPercent: percentMin, input, output } = options;
  const day = date ?? dayOf(world.clock.wallMs() - DAY_MS);
  if (!isDay(day)) throw new NoSuchDayError(`No calendar has ${day}`, { hint: "write a date as 2026-06-10" });
  const today = dayOf(world.clock.wallMs());
  if (input === undefined && day > today) {
    throw new DayToComeError(`${day} has not begun: today is ${today}, in UTC`, {
      hint: "name a day that is over, or the clock of this machine is wrong",
    });
  }
  const visors = input === undefined ? await asked(io, options) : await readDaily(world, input);
  const source = input ?? "The transport discovery";
  const eligible = eligibleOn(visors, { day, percentMin, source, isFile: input !== undefined });
  const list = eligible.map((visor) => dailyJson(visor, day));
  const lines = dailyLines(eligible, { day, percentMin });
  if (output !== undefined) {
    const text = /\.json$/i.test(output) ? `${JSON.stringify(list)}\n` : lines;
    await world.files.write(output, new TextEncoder().encode(text));
  }
  if (day >= today) {
    io.note(`${day} is not over: days are UTC, and the list may still grow`);
  }
  io.emit(list, () => lines);
  if (io.json) return;
  io.note(`${eligible.length} of ${visors.length} visors had more than ${percentMin} % of ${day}`);
}

/** Of everybody, as the transport discovery counts it: never as an uptime tracker does, which believes heartbeats. */
function asked(io: Io, options: EligibleOptions): Promise<VisorUptime[]> {
  return withService(
    io,
    options,
    "transportDiscovery",
    (ask, signal) => new UptimeTrackerClient(ask, "transport discovery").uptimes({}, signal),
  );
}

async function readDaily({ files }: World, file: string): Promise<VisorUptime[]> {
  const info = await files.info(file);
  if (info !== undefined && info.bytes > DAILY_FILE_BYTES_MAX) {
    throw new BadDailyUptimesError(file, `it has more than ${DAILY_FILE_BYTES_MAX} bytes`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await files.read(file));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new BadDailyUptimesError(file, "it is no text", { cause });
  }
  return parseDailyUptimes(text, file);
}

function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}

const DAY_MS = 24 * 60 * 60_000;
