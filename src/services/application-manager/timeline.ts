import type { Events } from '../../kernel/events.ts';
import type { Unit } from '../../kernel/messenger.ts';
import type { ApplicationManagerTables, InstanceRow } from './store.ts';

/** What the live stream carries. `owner`: whose it is, null for what everybody may see; administrators see all. */
export type LiveEvent =
  | { owner: null; type: 'catalogue'; app: string; at: string }
  | { owner: string; type: 'instance'; instance: string; state: string; at: string; kind: string; text: string }
  | { owner: string; type: 'schedule'; scheduleId: string; text: string; at: string };

/** Puts a line on the instance's timeline, and on the live stream once it is committed. */
export async function note(
  unit: Unit<ApplicationManagerTables>,
  events: Events<LiveEvent>,
  instance: Pick<InstanceRow, 'name' | 'created_by' | 'state'>,
  entry: { at: number; kind: string; text: string },
): Promise<void> {
  await unit.tx
    .insertInto('events')
    .values({ id: null, instance: instance.name, owner: instance.created_by, ...entry })
    .execute();
  unit.after(() =>
    events.publish({
      owner: instance.created_by,
      type: 'instance',
      instance: instance.name,
      state: instance.state,
      at: new Date(entry.at).toISOString(),
      kind: entry.kind,
      text: entry.text,
    }),
  );
}
