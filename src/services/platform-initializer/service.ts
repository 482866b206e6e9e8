import { AvkError, ERRORS, type ErrorCode } from '../../domain/errors.ts';
import type { Inventory } from '../../domain/service-entry.ts';
import { createEvents } from '../../kernel/events.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger, type Unit } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import { createSagas } from '../../kernel/saga.ts';
import type { SagaFailure } from '../../kernel/saga-store.ts';
import { sagaTables } from '../../kernel/saga-store.ts';
import type { Service } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import type { Random } from '../../ports/random.ts';
import type { ServiceRegistry } from '../../ports/service-registry.ts';
import type { ServiceRuntime } from '../../ports/service-runtime.ts';
import { createDeployer } from './deployer.ts';
import { createKeeper } from './keeper.ts';
import { createNews } from './news.ts';
import { routes } from './routes.ts';
import type { InitializerTables } from './store.ts';
import { toggleSagas } from './toggle-sagas.ts';

/*
 * The platform initializer owns the platform's own services: on `start platform` (topic Bootstrapper, REST, CLI, front
 * end) it deploys every service of services.json over the machines of vm-details.json, round robin, registers each with
 * the load balancer and then in the registry, and answers YES or NO on first_topic; on `stop platform` it takes them
 * back, but for itself, the application manager and the authenticator. In between it keeps them running.
 */

export interface InitializerDeps {
  http: HttpApp;
  database: Database<InitializerTables>;
  bus: MessageBus;
  client: ServiceClient;
  registry: ServiceRegistry;
  runtime: ServiceRuntime;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  inventory: () => Promise<Inventory>;
  onJournal?: (point: string) => void;
}

export interface PlatformInitializer extends Service {
  /** Starts the platform and waits until it runs. @throws AvkError of the first service that could not be started */
  up(): Promise<void>;
}

type T = InitializerTables;

export function createPlatformInitializer(deps: InitializerDeps): PlatformInitializer {
  const { database, clock, random, log } = deps;
  const messenger = createMessenger<T>({
    service: 'platform-initializer',
    listens: ['Bootstrapper'],
    from: 'Bootstrapper',
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
    ...(deps.onJournal ? { onJournal: (point) => deps.onJournal?.(`platform-${point}`) } : {}),
  });
  const deployer = createDeployer(deps);
  const news = createNews(clock, random);
  const ended = createEvents<string>();
  for (const definition of toggleSagas({ database, deployer, news })) {
    sagas.define({
      ...definition,
      async onDone(unit, context, saga) {
        await definition.onDone(unit, context, saga);
        unit.after(() => ended.publish(saga.id));
      },
      async onFailed(unit, context, saga, failure) {
        await definition.onFailed(unit, context, saga, failure);
        unit.after(() => ended.publish(saga.id));
      },
    });
  }
  const keeper = createKeeper({ ...deps, messenger, deployer, news });

  messenger.onCommand('start platform', (unit, message) => begin(unit, 'start', random.uuid(), message.requestId));
  messenger.onCommand('stop platform', (unit, message) => begin(unit, 'stop', random.uuid(), message.requestId));
  routes(deps.http, { ...deps, toggle });

  async function begin(unit: Unit<T>, verb: 'start' | 'stop', id: string, requestId: string): Promise<void> {
    await news.want(unit, verb === 'start' ? 'running' : 'stopped');
    // Each request is answered under its own id, also when several ask for the same.
    await sagas.begin(unit, verb, { id, subject: id, requestId }, {});
  }

  /** Begins it and waits for its end. */
  async function toggle(verb: 'start' | 'stop'): Promise<void> {
    const id = random.uuid();
    const requestId = random.uuid();
    const over = new Promise<void>((resolve) => {
      const stop = ended.subscribe((saga) => {
        if (saga !== id) return;
        stop();
        resolve();
      });
    });
    await messenger.transaction((unit) => begin(unit, verb, id, requestId));
    await over;
    const row = await sagaTables(database.read)
      .selectFrom('sagas')
      .select(['state', 'failure'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (row?.state === 'done') return;
    const failure = JSON.parse(row?.failure ?? '{}') as Partial<SagaFailure>;
    const code = failure.code && failure.code in ERRORS ? (failure.code as ErrorCode) : 'AVK_INTERNAL';
    throw new AvkError(code, failure.reason ?? `the platform could not be ${verb}ed`, { retryable: false });
  }

  return {
    name: 'platform-initializer',
    http: deps.http,
    up: () => toggle('start'),
    async start() {
      await messenger.start();
      await sagas.start();
      keeper.start();
    },
    async stop() {
      await keeper.stop();
      await messenger.stop();
      await sagas.stop();
      await deployer.close();
    },
  };
}
