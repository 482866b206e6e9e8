import { platformState } from '../../domain/service-plan.ts';
import type { Unit } from '../../kernel/messenger.ts';
import { LIVE, sagaTables } from '../../kernel/saga-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { type InitializerTables, readPlatform, readServices, writePlatform } from './store.ts';

type T = InitializerTables;

/** Keeps the platform's state on record and tells the application manager when it changed. */
export interface PlatformNews {
  /** Puts down what is wanted from now on. */
  want(unit: Unit<T>, wanted: 'running' | 'stopped'): Promise<void>;
  /** The toggle of that saga is over. */
  ended(unit: Unit<T>, saga: string): Promise<void>;
  /** Looks whether the state changed. */
  refresh(unit: Unit<T>): Promise<void>;
  /** "Along with other details": what answers carry. */
  details(unit: Unit<T>): Promise<Record<string, unknown>>;
}

export function createNews(clock: Clock, random: Random): PlatformNews {
  async function update(unit: Unit<T>, wanted?: 'running' | 'stopped', endedSaga = ''): Promise<void> {
    const before = await readPlatform(unit.tx);
    const wish = wanted ?? before.wanted;
    const underWay = wanted !== undefined || (await togglesUnderWay(unit, endedSaga));
    const missing = (await readServices(unit.tx)).filter((row) => row.state !== 'running');
    const { state, reason } = platformState(wish, underWay, missing);
    if (wish === before.wanted && state === before.state && reason === before.reason) return;
    const serial = before.serial + 1;
    const since = state === before.state ? before.since : clock.now();
    await writePlatform(unit.tx, { id: 1, wanted: wish, state, reason, since, serial });
    unit.send('first_topic', 'state platform', { state, reason }, random.uuid(), { serial, since });
  }

  return {
    want: (unit, wanted) => update(unit, wanted),
    ended: (unit, saga) => update(unit, undefined, saga),
    refresh: (unit) => update(unit),
    async details(unit) {
      const services = await readServices(unit.tx);
      return {
        services: services.map(({ name, folder, node, address, direct, state, reason }) => ({
          service_name: name,
          folder_name: folder,
          node,
          address,
          direct,
          state,
          ...(reason ? { reason } : {}),
        })),
      };
    },
  };
}

async function togglesUnderWay(unit: Unit<T>, except: string): Promise<boolean> {
  const row = await sagaTables(unit.tx)
    .selectFrom('sagas')
    .select('id')
    .where('state', 'in', LIVE)
    .where('id', '!=', except)
    .executeTakeFirst();
  return row !== undefined;
}
