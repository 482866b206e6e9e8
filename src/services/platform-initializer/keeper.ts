import { messageOf } from '../../domain/errors.ts';
import { servicesToStart } from '../../domain/service-plan.ts';
import type { Messenger } from '../../kernel/messenger.ts';
import { LIVE, sagaTables } from '../../kernel/saga-store.ts';
import { ALWAYS_UP, type ServiceName, serviceOf } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { ServiceRuntime } from '../../ports/service-runtime.ts';
import { type Deployer, idOf } from './deployer.ts';
import type { PlatformNews } from './news.ts';
import { type InitializerTables, readPlatform, readServices, type ServiceRow } from './store.ts';

export interface KeeperDeps {
  database: Database<InitializerTables>;
  messenger: Messenger<InitializerTables>;
  client: ServiceClient;
  runtime: ServiceRuntime;
  deployer: Deployer;
  news: PlatformNews;
  clock: Clock;
  log: Log;
}

/** Keeps the services running that are to run: one that ended, or answers no more, is started again. */
export interface Keeper {
  start(): void;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 500;
/** Each service is asked for its health at every so-manieth look. */
const ASK_EVERY_LOOKS = 4;
const HEALTH_DEADLINE_MS = 2000;
/** So many bad answers in a row, and it is taken for dead though it runs. */
const MOST_FAILURES = 3;

export function createKeeper(deps: KeeperDeps): Keeper {
  const { database, runtime, deployer, clock, log } = deps;
  const stopping = new AbortController();
  const badAnswers = new Map<string, number>();
  let timer: Timer | null = null;
  let looking: Promise<void> = Promise.resolve();

  async function look(turn: number): Promise<void> {
    // Whoever starts or stops the platform has it in hand.
    if (await toggling()) return;
    const { wanted } = await readPlatform(database.read);
    const kept = (rows: readonly ServiceRow[]) => rows.filter((row) => isKept(row.name, wanted));
    let changed = false;
    for (const row of kept(await readServices(database.read))) {
      const { name, state } = row;
      const reason = state === 'running' ? await whyDead(name, turn) : null;
      if (reason === null) continue;
      log.warn({ service: name, reason }, 'a service ended and is started again');
      await deployer.noteEnd(row, reason);
      changed = true;
    }
    const dead = kept(await readServices(database.read)).filter((row) => row.state === 'restarting');
    const due = servicesToStart(
      dead.map((row) => ({ name: row.name, alive: false, failures: row.failures, retryAt: row.retry_at })),
      clock.now(),
    );
    for (const name of due) await startAgain(name);
    if (changed || due.length > 0) await deps.messenger.transaction((unit) => deps.news.refresh(unit));
  }

  async function startAgain(name: string): Promise<void> {
    const inventory = await deployer.inventory();
    const entry = inventory.services.find(({ service_name }) => service_name === name);
    if (!entry) return;
    try {
      // A service that runs and does not answer is no use to anybody.
      await runtime.stop(name).catch((error) => log.warn({ service: name, reason: messageOf(error) }, 'stopping'));
      await deployer.deploy(entry, inventory, stopping.signal);
      badAnswers.delete(name);
      log.info({ service: name }, 'a service runs again');
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.error({ service: name, reason: messageOf(error) }, 'a service could not be started; it is tried again');
      await deployer.noteEnd(idOf(entry), messageOf(error));
    }
  }

  async function toggling(): Promise<boolean> {
    const row = await sagaTables(database.read)
      .selectFrom('sagas')
      .select('id')
      .where('state', 'in', LIVE)
      .executeTakeFirst();
    return row !== undefined;
  }

  async function whyDead(name: string, turn: number): Promise<string | null> {
    const container = await runtime.inspect(name);
    if (!container) return 'it does not run';
    if (container.state === 'exited') return container.reason ?? 'it ended';
    const service = serviceOf(name);
    if (!service || turn % ASK_EVERY_LOOKS !== 0) return null;
    return answersBadly(service, name);
  }

  async function answersBadly(service: ServiceName, name: string): Promise<string | null> {
    try {
      await deps.client.call(service, 'GET', '/health', { deadlineMs: HEALTH_DEADLINE_MS, signal: stopping.signal });
      badAnswers.delete(name);
      return null;
    } catch (error) {
      const count = (badAnswers.get(name) ?? 0) + 1;
      badAnswers.set(name, count);
      return count >= MOST_FAILURES ? `its health check failed ${count} times: ${messageOf(error)}` : null;
    }
  }

  function schedule(turn: number): void {
    timer = clock.after(
      LOOK_EVERY_MS,
      () => {
        looking = look(turn)
          .catch((error) => log.error({ reason: messageOf(error) }, 'the services could not be looked at'))
          .finally(() => {
            if (!stopping.signal.aborted) schedule(turn + 1);
          });
      },
      { background: true },
    );
  }

  return {
    start: () => schedule(1),
    async stop() {
      stopping.abort();
      timer?.cancel();
      await looking;
    },
  };
}

/** The initializer cannot start itself again. */
function isKept(name: string, wanted: 'running' | 'stopped'): boolean {
  const service = serviceOf(name);
  if (service === 'platform-initializer') return false;
  return wanted === 'running' || (service !== undefined && ALWAYS_UP.includes(service));
}
