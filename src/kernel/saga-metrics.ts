import type { Clock } from '../ports/clock.ts';
import { counter, histogram, type Metrics } from './metrics.ts';
import type { JournalEvent } from './saga-store.ts';

/** Told of each journal entry of a saga, once it is committed. */
export type SagaMeter = (saga: { id: string; kind: string }, step: string, event: JournalEvent) => void;

const BUCKETS = [0.01, 0.05, 0.25, 1, 5, 30, 120, 600];

/** Counts how steps ended, and how long they took from being entered; that is not known of one that a crash interrupted. */
export function createSagaMeter(metrics: Metrics | undefined, service: string, clock: Clock): SagaMeter {
  if (!metrics) return () => undefined;
  const steps = counter(metrics, {
    name: 'avishkar_saga_steps_total',
    help: 'Steps of sagas by how they ended',
    labels: ['service', 'kind', 'step', 'outcome'],
  });
  const seconds = histogram(metrics, {
    name: 'avishkar_saga_step_seconds',
    help: 'How long steps took that finished or failed',
    labels: ['service', 'kind', 'step'],
    buckets: BUCKETS,
  });
  const entered = new Map<string, number>();
  return ({ id, kind }, step, event) => {
    if (event === 'ended') return;
    // One step is finished and the next one entered in one transaction: either may be told first.
    const key = `${id} ${step}`;
    if (event === 'entered') {
      entered.set(key, clock.monotonic());
      return;
    }
    const since = entered.get(key);
    entered.delete(key);
    steps.inc({ service, kind, step, outcome: event });
    if (since !== undefined) seconds.observe({ service, kind, step }, (clock.monotonic() - since) / 1000);
  };
}
