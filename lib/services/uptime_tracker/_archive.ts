/** A file of each day that is over, for whoever pays for uptime: `<date>-uptime-data.json` (services.md 7.3). @module */
import type { World } from "../../runtime/mod.ts";
import { DAY_MS, dayOf } from "../store/mod.ts";
import { DAYS_CACHE_MS, renderV2, type Uptimes } from "../uptimes/mod.ts";

/**
 * Writes the list of yesterday below `folder` where it is not there yet, from 5 min past midnight on. Nothing while this
 * machine's clock and the one that days are counted by are not of one day: a file is written once, and one of them is
 * wrong. Errors: `StoreError`, and those of `Files`.
 */
export async function archiveYesterday(
  uptimes: Uptimes,
  { world, folder }: { readonly world: Pick<World, "clock" | "files" | "outside">; readonly folder: string },
): Promise<void> {
  const { clock, files } = world;
  const nowMs = await uptimes.nowMs();
  if (nowMs % DAY_MS < DAYS_CACHE_MS) return; // what was held back may still come: another time
  if (dayOf(nowMs) !== dayOf(clock.wallMs())) return;
  const yesterday = dayOf(nowMs - DAY_MS);
  const path = `${folder}/${yesterday}-uptime-data.json`;
  if (await world.outside(() => files.info(path)) !== undefined) return;
  const parts: string[] = [];
  await uptimes.inParts((part) => {
    const visors = part
      .map((visor) => ({ ...visor, days: visor.days.filter(({ day }) => day === yesterday) }))
      .filter(({ days }) => days.length > 0);
    if (visors.length > 0) parts.push(JSON.stringify(visors.map(renderV2)).slice(1, -1));
  });
  await world.outside(async () => {
    await files.makeDirectory(folder);
    await files.write(path, new TextEncoder().encode(`[${parts.join()}]\n`));
  });
}
