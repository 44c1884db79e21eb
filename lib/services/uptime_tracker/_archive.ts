/** A file of each day that is over, for whoever pays for uptime: `<date>-uptime-data.json` (services.md 7.3). @module */
import type { World } from "../../runtime/mod.ts";
import { DAY_MS, dayOf } from "../store/mod.ts";
import { DAYS_CACHE_MS, renderV2, type Uptimes } from "../uptimes/mod.ts";

/** Writes the list of yesterday below `folder` where it is not there yet, from 5 min past midnight on. Errors: those of `Files`. */
export async function archiveYesterday(
  uptimes: Uptimes,
  { world, folder }: { readonly world: Pick<World, "clock" | "files" | "outside">; readonly folder: string },
): Promise<void> {
  const { clock, files } = world;
  if (clock.wallMs() % DAY_MS < DAYS_CACHE_MS) return; // an instance whose clock is behind still counts for it: another time
  const yesterday = dayOf(clock.wallMs() - DAY_MS);
  const path = `${folder}/${yesterday}-uptime-data.json`;
  if (await world.outside(() => files.info(path)) !== undefined) return;
  const visors = (await uptimes.told())
    .map((visor) => ({ ...visor, days: visor.days.filter(({ day }) => day === yesterday) }))
    .filter(({ days }) => days.length > 0);
  const text = JSON.stringify(visors.map(renderV2));
  await world.outside(async () => {
    await files.makeDirectory(folder);
    await files.write(path, new TextEncoder().encode(`${text}\n`));
  });
}
