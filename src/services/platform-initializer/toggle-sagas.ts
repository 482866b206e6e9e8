import { AvkError, asAvkError } from '../../domain/errors.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import { Turns } from '../../kernel/turns.ts';
import type { Database } from '../../ports/database.ts';
import { type Deployer, idOf } from './deployer.ts';
import type { PlatformNews } from './news.ts';
import { type InitializerTables, readPlatform } from './store.ts';

type Context = Record<string, never>;
type Definition = SagaDefinition<Context, InitializerTables>;

export interface ToggleDeps {
  database: Database<InitializerTables>;
  deployer: Deployer;
  news: PlatformNews;
}

/** All services, one after the other; on machines each is built first. */
const DEADLINE_MS = 20 * 60_000;

/**
 * The platform's two sagas, `start` and `stop`: every service of services.json over the machines, and back. Starting and
 * stopping at once is settled by what was wanted last: the other one gives up before its next service.
 */
export function toggleSagas({ database, deployer, news }: ToggleDeps): [Definition, Definition] {
  const turns = new Turns(1);

  async function stillWanted(wanted: 'running' | 'stopped'): Promise<void> {
    const platform = await readPlatform(database.read);
    if (platform.wanted === wanted) return;
    const other = wanted === 'running' ? 'stopped' : 'started';
    throw new AvkError('AVK_CANCELLED', `the platform is to be ${other} now`, { retryable: false });
  }

  async function startAll(signal: AbortSignal): Promise<void> {
    const inventory = await deployer.inventory();
    let first: AvkError | null = null;
    for (const entry of inventory.services) {
      await stillWanted('running');
      try {
        await deployer.deploy(entry, inventory, signal);
      } catch (error) {
        signal.throwIfAborted();
        // The others are worth having; this one is tried again by the keeper.
        first ??= asAvkError(error);
        await deployer.noteEnd(idOf(entry), asAvkError(error).message);
      }
    }
    if (first) {
      throw new AvkError(first.code, first.message, { cause: first, errors: first.errors, retryable: false });
    }
  }

  async function stopAll(signal: AbortSignal): Promise<void> {
    const { services } = await deployer.inventory();
    // The load balancer, first to come, goes last: the others are deregistered with it.
    for (const entry of services.toReversed()) {
      await stillWanted('stopped');
      await deployer.withdraw(entry, signal);
    }
  }

  const toggle = (verb: 'start' | 'stop', work: (signal: AbortSignal) => Promise<void>): Definition => ({
    kind: verb,
    steps: [
      {
        name: verb === 'start' ? 'deploy' : 'withdraw',
        deadlineMs: () => DEADLINE_MS,
        async run(_context, { signal }) {
          await turns.take(signal, () => work(signal));
          return {};
        },
      },
    ],
    async onDone(unit, _context, saga) {
      await news.ended(unit, saga.id);
      unit.send('first_topic', `YES ${verb} platform`, { detail: 'Success' }, saga.requestId, await news.details(unit));
    },
    async onFailed(unit, _context, saga, failure) {
      await news.ended(unit, saga.id);
      unit.send('first_topic', `NO ${verb} platform`, { detail: failure.reason }, saga.requestId, {
        ...(await news.details(unit)),
        code: failure.code,
      });
    },
  });

  return [toggle('start', startAll), toggle('stop', stopAll)];
}
