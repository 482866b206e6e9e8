import { AvkError } from '../../domain/errors.ts';
import { ENDED } from '../../domain/instance.ts';
import { nameKey } from '../../domain/names.ts';
import { supersededVersions } from '../../domain/retention.ts';
import type { Principal } from '../../kernel/auth.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { Sagas } from '../../kernel/saga-definition.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Random } from '../../ports/random.ts';
import type { ClearContext } from './clear-saga.ts';
import { underWay } from './rollout-state.ts';
import { type ApplicationManagerTables, readBaseApp } from './store.ts';
import type { LiveEvent } from './timeline.ts';

type T = ApplicationManagerTables;

/** How versions leave the catalogue. The row goes at once; what belongs to it is cleared away by a saga. */
export interface Versions {
  /** @throws AvkError AVK_NOT_FOUND, AVK_FORBIDDEN, AVK_CONFLICT with who uses it */
  remove(name: string, version: string, by: Principal): Promise<void>;
  /** Removes old versions of the app that nobody needs, in the transaction that adds a new one. */
  retire(unit: Unit<T>, appKey: string, sagaId: string): Promise<void>;
}

export interface VersionsDeps {
  messenger: Messenger<T>;
  sagas: Sagas<T>;
  random: Random;
  clock: Clock;
  log: Log;
  events: Events<LiveEvent>;
  /** So many of an app's newest versions stay, used or not. */
  keepVersions: number;
}

/** A version that somebody needs, and who. */
interface VersionUse {
  version: string;
  by: string;
}

export function createVersions(deps: VersionsDeps): Versions {
  const { messenger, log, random } = deps;

  async function drop(unit: Unit<T>, appKey: string, versions: readonly string[], sagaId: string): Promise<void> {
    const rows = await unit.tx
      .deleteFrom('base_apps')
      .where('name_key', '=', appKey)
      .where('version', 'in', versions)
      .returning(['name', 'blob_key'])
      .execute();
    const context: ClearContext = { blobs: rows.map((row) => row.blob_key) };
    await deps.sagas.begin(unit, 'clear', { id: sagaId, subject: rows[0]?.name ?? appKey, requestId: sagaId }, context);
  }

  return {
    async remove(name, version, by) {
      const sagaId = random.uuid();
      await messenger.transaction(async (unit) => {
        const appKey = nameKey(name);
        const row = await unit.tx
          .selectFrom('base_apps')
          .select(['name', 'version', 'uploaded_by'])
          .where('name_key', '=', appKey)
          .where('version', '=', version)
          .executeTakeFirst();
        if (!row) throw new AvkError('AVK_NOT_FOUND', `there is no app ${name} of version ${version}`);
        if (!mayRemove(by, row.uploaded_by)) {
          throw new AvkError(
            'AVK_FORBIDDEN',
            `${row.name} ${row.version} was uploaded by ${row.uploaded_by}; only they and administrators can remove it`,
          );
        }
        const users = (await usesOf(unit, appKey)).filter((use) => use.version === version);
        if (users.length > 0) {
          const names = [...new Set(users.map((use) => use.by))].join(', ');
          throw new AvkError(
            'AVK_CONFLICT',
            `${row.name} ${row.version} is used by ${names}; stop or delete that first`,
          );
        }
        await drop(unit, appKey, [version], sagaId);
        const at = new Date(deps.clock.now()).toISOString();
        unit.after(() => {
          log.info({ app: row.name, version, by: by.name }, 'a version was removed');
          deps.events.publish({ owner: null, type: 'catalogue', app: row.name, at });
        });
      });
    },
    async retire(unit, appKey, sagaId) {
      const rows = await unit.tx
        .selectFrom('base_apps')
        .select(['name', 'version'])
        .where('name_key', '=', appKey)
        .orderBy('serial', 'desc')
        .execute();
      if (rows.length <= deps.keepVersions) return;
      const needed = new Set((await usesOf(unit, appKey)).map((use) => use.version));
      const old = supersededVersions(
        rows.map((row) => row.version),
        deps.keepVersions,
        needed,
      );
      if (old.length === 0) return;
      await drop(unit, appKey, old, sagaId);
      const [app] = rows;
      unit.after(() =>
        log.info({ app: app?.name, versions: old, keep: deps.keepVersions }, 'old versions were removed'),
      );
    },
  };
}

function mayRemove(by: Principal, uploadedBy: string): boolean {
  return by.kind === 'service' || by.role === 'admin' || by.name === uploadedBy;
}

/**
 * What live instances of the app run, are about to run, and ran before: where a rollback leads. And what a schedule is to deploy;
 * one that names no version needs the newest.
 */
async function usesOf(unit: Unit<T>, appKey: string): Promise<VersionUse[]> {
  const rows = await unit.tx
    .selectFrom('instances')
    .select(['name', 'app_name', 'version', 'previous_version', 'rollout'])
    .where('state', 'not in', ENDED)
    .execute();
  const earlier = await unit.tx
    .selectFrom('earlier_versions')
    .innerJoin('instances', 'instances.name_key', 'earlier_versions.name_key')
    .select(['instances.name', 'instances.app_name', 'earlier_versions.version'])
    .where('instances.state', 'not in', ENDED)
    .execute();
  const schedules = await unit.tx
    .selectFrom('schedules')
    .select(['name', 'app_name', 'version'])
    .where('over', '=', 0)
    .execute();
  const newest = (await readBaseApp(unit.tx, appKey))?.version ?? '';
  const own = (row: { app_name: string }): boolean => nameKey(row.app_name) === appKey;
  return [
    ...schedules
      .filter(own)
      .map(({ name, version }) => ({ version: version ?? newest, by: `the schedule of ${name}` })),
    ...earlier.filter(own).map(({ name, version }) => ({ version, by: `${name}, for a rollback` })),
    ...rows
      .filter(own)
      .flatMap(({ name, version, previous_version: previous, rollout }) => [
        { version, by: name },
        ...(underWay({ rollout })?.rollout.candidates ?? []).map(({ spec }) => ({ version: spec.version, by: name })),
        ...(previous === null ? [] : [{ version: previous, by: `${name}, for a rollback` }]),
      ]),
  ];
}
