import { REPLICA_STATES } from '../../domain/replica.ts';
import { countsOf, gauge, type Metrics } from '../../kernel/metrics.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { LoadBalancerTables } from './store.ts';

/** Of apps: the platform's own services are registered, too, and are no replicas that anybody deployed. */
export function replicaMetrics(metrics: Metrics, database: Database<LoadBalancerTables>, log: Log): void {
  const about = { name: 'avishkar_replicas', help: 'Replicas by state', labels: ['state'] as const };
  const count = () =>
    database.read
      .selectFrom('replicas')
      .innerJoin('apps', 'apps.name', 'replicas.app')
      .select((column) => ['replicas.state as state', column.fn.countAll<number>().as('count')])
      .where('apps.kind', '=', 'app')
      .groupBy('replicas.state')
      .execute();
  gauge(metrics, about, async () => countsOf(REPLICA_STATES, await count()), log);
}
