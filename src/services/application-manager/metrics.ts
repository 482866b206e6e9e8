import { INSTANCE_STATES } from '../../domain/instance.ts';
import { countsOf, gauge, type Metrics } from '../../kernel/metrics.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { ApplicationManagerTables } from './store.ts';

export function instanceMetrics(metrics: Metrics, database: Database<ApplicationManagerTables>, log: Log): void {
  const about = { name: 'avishkar_instances', help: 'Instances by state', labels: ['state'] as const };
  const count = () =>
    database.read
      .selectFrom('instances')
      .select((column) => ['state', column.fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute();
  gauge(metrics, about, async () => countsOf(INSTANCE_STATES, await count()), log);
}
