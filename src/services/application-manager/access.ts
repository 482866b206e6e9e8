import { AvkError } from '../../domain/errors.ts';
import type { Principal } from '../../kernel/auth.ts';
import type { Database } from '../../ports/database.ts';
import { type ApplicationManagerTables, type InstanceRow, readInstance } from './store.ts';

/** Administrators and services see all instances, everybody else their own; another user's is as good as none. */
export async function ownInstance(
  database: Database<ApplicationManagerTables>,
  principal: Principal,
  name: string,
): Promise<InstanceRow> {
  const row = await readInstance(database.read, name);
  if (!row || !maySee(principal, row.created_by)) throw new AvkError('AVK_NOT_FOUND', `there is no instance ${name}`);
  return row;
}

export function maySee(principal: Principal, owner: string): boolean {
  return principal.kind === 'service' || principal.role === 'admin' || principal.name === owner;
}
