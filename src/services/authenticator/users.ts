import type { Selectable } from 'kysely';
import { AvkError } from '../../domain/errors.ts';
import { nameKey } from '../../domain/names.ts';
import { passwordFault } from '../../domain/user.ts';
import type { Role } from '../../kernel/auth.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database, Tx } from '../../ports/database.ts';
import { hashPassword } from './passwords.ts';
import { endSessions } from './sessions.ts';
import type { AuthenticatorTables } from './store.ts';

type Rows = Tx<AuthenticatorTables>;
export type UserRow = Selectable<AuthenticatorTables['users']>;

export interface UserView {
  username: string;
  role: Role;
  createdAt: string;
  lastLoginAt: string | null;
}

export interface Users {
  list(): Promise<UserView[]>;
  /** @throws AvkError AVK_NOT_FOUND */
  get(name: string): Promise<UserView>;
  /** @throws AvkError AVK_NAME_TAKEN, AVK_UNACCEPTABLE */
  add(name: string, password: string, role: Role): Promise<void>;
  /**
   * An administrator's change. Ends the user's sessions, unless nothing changed.
   *
   * @param by who changes it; null: the platform itself
   * @throws AvkError AVK_NOT_FOUND, AVK_CONFLICT for the last administrator, AVK_FORBIDDEN for one's own password
   */
  change(
    name: string,
    to: { role?: Role | undefined; password?: string | undefined },
    by: string | null,
  ): Promise<UserView>;
  /** Removes a user with sessions and API tokens. @throws AvkError AVK_NOT_FOUND, AVK_CONFLICT */
  remove(name: string, by: string | null): Promise<void>;
  /** True when there is none at all. */
  none(): Promise<boolean>;
}

export function createUsers(database: Database<AuthenticatorTables>, clock: Clock): Users {
  return {
    async list() {
      const rows = await database.read.selectFrom('users').selectAll().orderBy('name_key').execute();
      return rows.map(view);
    },
    get: async (name) => view(await existing(database.read, name)),
    async add(name, password, role) {
      refuseFaulty(password, name, 'password');
      const row = {
        name_key: nameKey(name),
        name,
        role,
        password: await hashPassword(password),
        created_at: clock.now(),
        last_login_at: null,
      };
      await database.transaction(async (tx) => {
        const taken = await findUser(tx, name);
        if (taken) throw new AvkError('AVK_NAME_TAKEN', `there is a user ${taken.name} already`);
        await tx.insertInto('users').values(row).execute();
      });
    },
    async change(name, { role, password }, by) {
      if (password !== undefined) {
        if (by !== null && nameKey(by) === nameKey(name)) {
          throw new AvkError(
            'AVK_FORBIDDEN',
            'your own password is changed with the current one: /api/users/me/password/',
          );
        }
        refuseFaulty(password, name, 'password');
      }
      const hashed = password === undefined ? null : await hashPassword(password);
      return database.transaction(async (tx) => {
        const user = await existing(tx, name);
        const changed = hashed !== null || (role !== undefined && role !== user.role);
        if (role !== undefined && role !== 'admin') await keepAnAdmin(tx, user, 'demoted');
        const set = { role: role ?? user.role, password: hashed ?? user.password };
        await tx.updateTable('users').set(set).where('name_key', '=', user.name_key).execute();
        if (changed) await endSessions(tx, user.name_key);
        return view({ ...user, ...set });
      });
    },
    async remove(name, by) {
      await database.transaction(async (tx) => {
        const user = await existing(tx, name);
        if (by !== null && nameKey(by) === user.name_key) {
          throw new AvkError('AVK_CONFLICT', 'nobody can delete themselves; another administrator can');
        }
        await keepAnAdmin(tx, user, 'deleted');
        await endSessions(tx, user.name_key);
        await tx.deleteFrom('api_tokens').where('user_key', '=', user.name_key).execute();
        await tx.deleteFrom('users').where('name_key', '=', user.name_key).execute();
      });
    },
    async none() {
      return (await database.read.selectFrom('users').select('name').executeTakeFirst()) === undefined;
    },
  };
}

export function findUser(rows: Rows, name: string): Promise<UserRow | undefined> {
  return rows.selectFrom('users').selectAll().where('name_key', '=', nameKey(name)).executeTakeFirst();
}

/** @throws AvkError AVK_NOT_FOUND */
export async function existing(rows: Rows, name: string): Promise<UserRow> {
  const row = await findUser(rows, name);
  if (!row) throw new AvkError('AVK_NOT_FOUND', `there is no user ${name}`);
  return row;
}

/** @throws AvkError AVK_UNACCEPTABLE that names the field and never the password */
export function refuseFaulty(password: string, username: string, path: string): void {
  const message = passwordFault(password, username);
  if (message) throw new AvkError('AVK_UNACCEPTABLE', `${path}: ${message}`, { errors: [{ path, message }] });
}

async function keepAnAdmin(tx: Rows, user: UserRow, what: string): Promise<void> {
  if (user.role !== 'admin') return;
  const others = await tx
    .selectFrom('users')
    .select('name')
    .where('role', '=', 'admin')
    .where('name_key', '!=', user.name_key)
    .executeTakeFirst();
  if (!others) throw new AvkError('AVK_CONFLICT', `${user.name} is the last administrator and cannot be ${what}`);
}

function view(row: UserRow): UserView {
  return {
    username: row.name,
    role: row.role,
    createdAt: new Date(row.created_at).toISOString(),
    lastLoginAt: row.last_login_at === null ? null : new Date(row.last_login_at).toISOString(),
  };
}
