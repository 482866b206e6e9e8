import { messageOf } from '../../domain/errors.ts';
import { ENDED, type InstanceSpec } from '../../domain/instance.ts';
import type { Runtime } from '../../domain/manifest.ts';
import { createEvents } from '../../kernel/events.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import { createSagas } from '../../kernel/saga.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import type { Service } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { BundleLimits, BundleReader } from '../../ports/bundle-reader.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import type { Random } from '../../ports/random.ts';
import { createCatalogue } from './catalogue.ts';
import { clearSaga } from './clear-saga.ts';
import { createInstances } from './instances.ts';
import { launchSaga, removeBundle, sweepBundles } from './launch-saga.ts';
import { createLiveFigures } from './live-figures.ts';
import { instanceMetrics } from './metrics.ts';
import { createPlatformGate, type PlatformNews } from './platform-gate.ts';
import { createPlatformStatus } from './platform-status.ts';
import { handleReports, type Reports } from './reports.ts';
import { handleRolloutReports } from './rollout-reports.ts';
import { rolloutSaga, withdrawSaga } from './rollout-saga.ts';
import { underWay } from './rollout-state.ts';
import { createRollouts } from './rollouts.ts';
import { appRoutes } from './routes-apps.ts';
import { historyRoutes } from './routes-history.ts';
import { instanceRoutes } from './routes-instances.ts';
import { logRoutes } from './routes-logs.ts';
import { type MaintenanceDeps, maintenanceRoutes } from './routes-maintenance.ts';
import { nodeRoutes } from './routes-nodes.ts';
import { platformRoutes } from './routes-platform.ts';
import { rolloutRoutes } from './routes-rollouts.ts';
import { scheduleRoutes } from './routes-schedules.ts';
import { sessionRoutes } from './routes-session.ts';
import { userRoutes } from './routes-users.ts';
import { scaleSaga } from './scale-saga.ts';
import { handleOccurrences } from './schedule-occurrences.ts';
import { forgetSchedules } from './schedule-store.ts';
import { createSchedules } from './schedules.ts';
import { createStatusFollower } from './status-follower.ts';
import type { ApplicationManagerTables } from './store.ts';
import type { LiveEvent } from './timeline.ts';
import { createVersions } from './versions.ts';

/*
 * The application manager is the one door for the front end and the CLI. It owns the catalogue (zips in blob container
 * `baseApps`) and the intent: which instances there are to be, with which settings (`deployedApps`), and their state as
 * users see it. Commands become messages on topic DeploymentManager; what comes back on `first_topic` moves the state
 * on. Everything else it relays to the service that owns it.
 */

export interface ApplicationManagerDeps {
  http: HttpApp;
  database: Database<ApplicationManagerTables>;
  bus: MessageBus;
  blobs: BlobStore;
  bundles: BundleReader;
  client: ServiceClient;
  secrets: SecretBox;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  limits: BundleLimits;
  backup: MaintenanceDeps['backup'];
  examine: MaintenanceDeps['examine'];
  /** The kinds of apps that the machines can run. */
  runtimes: readonly Runtime[];
  /** So many of an app's newest versions stay, used or not. */
  keepVersions: number;
  /** Whether anybody may register, as role user. */
  openRegistration: boolean;
  onJournal?: (point: string) => void;
}

const KEEP_SCHEDULES_MS = 30 * 86_400_000;

export async function createApplicationManager(deps: ApplicationManagerDeps): Promise<Service> {
  const { database, clock, log, blobs, client } = deps;
  const events = createEvents<LiveEvent>();
  const messenger = createMessenger<ApplicationManagerTables>({
    service: 'application-manager',
    listens: ['first_topic'],
    from: 'ApplicationManager',
    database,
    bus: deps.bus,
    clock,
    log,
    metrics: deps.metrics,
  });
  const sagas = createSagas<ApplicationManagerTables>({
    database,
    messenger,
    clock,
    log,
    metrics: deps.metrics,
    ...(deps.onJournal ? { onJournal: deps.onJournal } : {}),
  });
  const onUseless = (specs: readonly InstanceSpec[]): void => {
    for (const spec of specs) {
      removeBundle(blobs, spec).catch((error) =>
        log.warn({ instance: spec.instance, reason: messageOf(error) }, 'a bundle was not removed'),
      );
    }
  };
  const reports: Reports = handleReports({
    messenger,
    events,
    clock,
    log,
    onEnding: (unit, name) => occurrences.ended(unit, name),
    onUseless,
  });
  const rolloutReports = handleRolloutReports({ messenger, events, clock, log, onUseless });
  sagas.define(
    launchSaga({ blobs, onFailed: (unit, id, name, reason) => reports.launchFailed(unit, id, name, reason) }),
  );
  sagas.define(scaleSaga({ client }));
  sagas.define(rolloutSaga({ blobs, client, onFailed: rolloutReports.failed }));
  sagas.define(withdrawSaga({ client }));
  if (deps.metrics) instanceMetrics(deps.metrics, database, log);
  sagas.define(clearSaga(deps));
  const versions = createVersions({ ...deps, messenger, sagas, events });
  const catalogue = createCatalogue({ ...deps, messenger, versions, events });
  const rollouts = createRollouts({ ...deps, messenger, sagas, events });
  const instances = createInstances({ ...deps, messenger, sagas, events, rollouts });
  const schedules = createSchedules({ ...deps, messenger, instances, events });
  const occurrences = handleOccurrences({ ...deps, messenger, instances, schedules });

  await appRoutes(deps.http, { ...deps, catalogue, versions });
  instanceRoutes(deps.http, { ...deps, instances });
  rolloutRoutes(deps.http, { ...deps, rollouts });
  scheduleRoutes(deps.http, { ...deps, schedules, known: (id) => occurrences.known(id) });
  logRoutes(deps.http, deps);
  sessionRoutes(deps.http, deps);
  userRoutes(deps.http, deps);
  historyRoutes(deps.http, deps);
  nodeRoutes(deps.http, deps);
  const changed = createEvents<PlatformNews>();
  const gate = createPlatformGate({ messenger, database, clock, random: deps.random, changed });
  const status = createPlatformStatus({ client, gate, log });
  const statusFollower = createStatusFollower({ status, changed, clock, log });
  maintenanceRoutes(deps.http, { ...deps, status });
  platformRoutes(deps.http, { ...deps, events, gate, status, statusFollower, figures: createLiveFigures(deps) });

  return {
    name: 'application-manager',
    http: deps.http,
    async start() {
      await catalogue.sweep();
      const live = await database.read
        .selectFrom('instances')
        .select(['spec', 'rollout'])
        .where('state', 'not in', ENDED)
        .execute();
      const specs = live.flatMap((row) => {
        const coming = underWay(row)?.rollout.candidates ?? [];
        return [JSON.parse(row.spec) as InstanceSpec, ...coming.map(({ spec }) => spec)];
      });
      await sweepBundles(blobs, specs);
      await database.transaction((tx) => forgetSchedules(tx, clock.now() - KEEP_SCHEDULES_MS));
      await messenger.start();
      await sagas.start();
    },
    async stop() {
      await messenger.stop();
      await sagas.stop();
    },
  };
}
