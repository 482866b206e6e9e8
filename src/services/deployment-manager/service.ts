import { z } from 'zod';
import { instanceSpecSchema } from '../../domain/instance.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger, type Message, type Unit } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import type { ReplicaDeps } from '../../kernel/replica.ts';
import { createSagas } from '../../kernel/saga.ts';
import type { Service } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import type { Random } from '../../ports/random.ts';
import { createBuildLogs } from './build-logs.ts';
import { deployContextSchema, deploySaga } from './deploy-saga.ts';
import { createNodeWork } from './node-work.ts';
import { requestSaga } from './request-saga.ts';
import { routes } from './routes.ts';
import { stopSaga } from './stop-saga.ts';
import type { DeploymentManagerTables } from './store.ts';

/*
 * The deployment manager owns the way of an instance to its first running replica, and the way back. On topic
 * DeploymentManager it takes `deploy app` and `stop app` from the application manager and `ans-node` from the node
 * manager. A deployment is a saga: place (node manager), build and start (on that machine), register (load balancer),
 * report on first_topic. From the registration on, the replica is the load balancer's.
 */

export interface DeploymentManagerDeps {
  http: HttpApp;
  database: Database<DeploymentManagerTables>;
  bus: MessageBus;
  client: ServiceClient;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  replica: (node: string) => ReplicaDeps;
  buildDeadlineMs: number;
  onJournal?: (point: string) => void;
}

type T = DeploymentManagerTables;

const stopData = z.object({ cancelled: z.boolean().default(false), stopSeconds: z.number().default(10) });

export function createDeploymentManager(deps: DeploymentManagerDeps): Service {
  const { database, clock, random, log } = deps;
  const messenger = createMessenger<T>({
    service: 'deployment-manager',
    listens: ['DeploymentManager'],
    from: 'DeploymentManager',
    database,
    bus: deps.bus,
    clock,
    log,
    metrics: deps.metrics,
  });
  const sagas = createSagas<T>({
    database,
    messenger,
    clock,
    log,
    metrics: deps.metrics,
    ...(deps.onJournal ? { onJournal: deps.onJournal } : {}),
  });
  const builds = createBuildLogs(database, clock, log);
  sagas.define(deploySaga({ ...deps, builds, work: createNodeWork() }));
  sagas.define(
    stopSaga({
      ...deps,
      again: (unit, { subject, requestId }, context) =>
        sagas.begin(unit, 'stop', { id: random.uuid(), subject, requestId }, context),
    }),
  );
  sagas.define(requestSaga(deps));
  messenger.onCommand('deploy app', deployApp);
  messenger.onCommand('stop app', stopApp);
  routes(deps.http, builds);

  async function deployApp(unit: Unit<T>, message: Message<'deploy app'>): Promise<void> {
    const { name } = message.fields;
    const saga = { id: random.uuid(), subject: name, requestId: message.requestId };
    if (message.data.spec === undefined) {
      await sagas.begin(unit, 'request', saga, {});
      return;
    }
    const spec = instanceSpecSchema.parse(message.data.spec);
    await sagas.begin(unit, 'deploy', saga, deployContextSchema.parse({ spec, replicaId: random.uuid() }));
  }

  async function stopApp(unit: Unit<T>, message: Message<'stop app'>): Promise<void> {
    const { name } = message.fields;
    // A deployment under way takes itself back and reports by itself that it was cancelled.
    if (await sagas.cancel(unit, 'deploy', name, 'cancelled on request')) return;
    // A stop under way answers for this request, too.
    if (await sagas.find(unit, 'stop', name)) return;
    const context = stopData.parse(message.data);
    await sagas.begin(unit, 'stop', { id: random.uuid(), subject: name, requestId: message.requestId }, context);
  }

  return {
    name: 'deployment-manager',
    http: deps.http,
    async start() {
      await messenger.start();
      await sagas.start();
    },
    async stop() {
      await messenger.stop();
      await sagas.stop();
    },
  };
}
