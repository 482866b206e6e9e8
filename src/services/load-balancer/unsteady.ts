import type { Db } from './store.ts';

/* Which apps need a look: what is steady needs none, and there may be thousands. */

/** Those that are to go, and those whose replicas are not all healthy, or too few, or to be replaced. */
export async function unsteadyApps(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('apps')
    .leftJoin('replicas', 'replicas.app', 'apps.name')
    .leftJoin('rollouts', 'rollouts.app', 'apps.name')
    .select((column) => [
      'apps.name',
      'apps.state',
      'apps.desired',
      'rollouts.generation as rolling',
      column.fn.count<number>('replicas.id').as('all'),
      column.fn
        .sum<number>(
          column
            .case()
            .when(
              column.and([
                column('replicas.state', '=', 'healthy'),
                column('replicas.generation', '=', column.ref('apps.generation')),
              ]),
            )
            .then(1)
            .else(0)
            .end(),
        )
        .as('healthy'),
    ])
    .groupBy(['apps.name', 'apps.state', 'apps.desired', 'rollouts.generation'])
    .execute();
  const isSteady = (row: (typeof rows)[number]): boolean =>
    row.state !== 'removing' && row.all === row.desired && row.healthy === row.all && row.rolling === null;
  return rows.filter((row) => !isSteady(row)).map(({ name }) => name);
}

/** Those with a replica on any machine but these. */
export async function appsBeside(db: Db, machines: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('replicas')
    .select('app')
    .distinct()
    .$if(machines.length > 0, (query) => query.where('node', 'not in', machines))
    .execute();
  return rows.map(({ app }) => app);
}
