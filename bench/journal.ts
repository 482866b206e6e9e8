import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Figure, figure } from './figures.ts';

/** When one deployment came where; milliseconds of the wall clock, as the platform itself wrote them down. */
interface Marks {
  requested: number;
  running: number;
  /** `<step>.entered` and `<step>.finished` of both sagas. */
  steps: Map<string, number>;
}

/**
 * What everything but build and start takes in a deployment, from the platform's own journals: the request and the
 * state `running` on the instance's timeline, the steps between them in the tables `saga_journal`. Each is good to 1 ms.
 */
export function messagingShare(home: string, instances: readonly string[]): Figure[] {
  const open = (service: string): DatabaseSync =>
    new DatabaseSync(join(home, 'state', `${service}.db`), { readOnly: true, timeout: 5000 });
  const manager = open('application-manager');
  const deployer = open('deployment-manager');
  try {
    const marks = instances.map((instance) => read(manager, deployer, instance));
    const each = (of: (marks: Marks) => number): number[] => marks.map(of);
    const between =
      (from: string, to: string) =>
      ({ steps }: Marks): number =>
        at(steps, to) - at(steps, from);
    const build = between('build.entered', 'build.finished');
    const start = between('start.entered', 'start.finished');
    const part = (name: string, of: (marks: Marks) => number): Figure =>
      figure({ name: `  ${name}`, unit: 'ms', ours: each(of) });
    return [
      figure({
        name: 'messaging and state',
        unit: 'ms',
        ours: each((one) => one.running - one.requested - build(one) - start(one)),
        target: { text: '<= 30 ms', met: ({ median }) => median <= 30 },
        notes: ['from `requested` to `running` without build and start; the parts below it are from the same journals'],
      }),
      part('requested -> populated', ({ requested, steps }) => at(steps, 'populate.finished') - requested),
      part('populated -> placing', between('populate.finished', 'place.entered')),
      part('placing -> placed', between('place.entered', 'place.finished')),
      part('placed -> building', between('place.finished', 'build.entered')),
      part('build', build),
      part('built -> starting', between('build.finished', 'start.entered')),
      part('start', start),
      part('started -> routing', between('start.finished', 'register.entered')),
      part('routing -> routed', between('register.entered', 'register.finished')),
      part('routed -> running', ({ running, steps }) => running - at(steps, 'register.finished')),
    ];
  } finally {
    manager.close();
    deployer.close();
  }
}

function read(manager: DatabaseSync, deployer: DatabaseSync, instance: string): Marks {
  const event = (where: string): number => {
    const row = manager
      .prepare(`SELECT at FROM events WHERE instance = ? AND ${where} ORDER BY id LIMIT 1`)
      .get(instance);
    if (!row) throw new Error(`the timeline of ${instance} has no event with ${where}`);
    return Number(row.at);
  };
  const steps = new Map<string, number>();
  for (const [db, kind] of [
    [manager, 'launch'],
    [deployer, 'deploy'],
  ] as const) {
    const rows = db
      .prepare(
        `SELECT j.step, j.event, j.at FROM saga_journal j JOIN sagas s ON s.id = j.saga_id
         WHERE s.kind = ? AND s.subject = ? ORDER BY j.position`,
      )
      .all(kind, instance);
    for (const row of rows) steps.set(`${row.step}.${row.event}`, Number(row.at));
  }
  return { requested: event("kind = 'requested'"), running: event("kind = 'running'"), steps };
}

function at(steps: ReadonlyMap<string, number>, name: string): number {
  const value = steps.get(name);
  if (value === undefined) throw new Error(`the journal has no ${name}`);
  return value;
}
