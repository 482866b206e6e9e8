import { createHash, timingSafeEqual } from 'node:crypto';
import type { Selectable } from 'kysely';
import { AvkError } from '../../domain/errors.ts';
import { ROLES, type Role } from '../../kernel/auth.ts';
import { API_TOKEN_PREFIX, type Verdict } from '../../kernel/identity.ts';
import type { Scope } from '../../kernel/scopes.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Random } from '../../ports/random.ts';
import type { AuthenticatorTables } from './store.ts';
import { existing } from './users.ts';

type TokenRow = Selectable<AuthenticatorTables['api_tokens']>;

export interface ApiTokenView {
  id: string;
  name: string;
  username: string;
  role: Role;
  /** Empty: not limited. */
  scopes: Scope[];
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

export interface NewApiToken {
  name: string;
  username: string;
  role?: Role | undefined;
  scopes?: Scope[] | undefined;
  expiresInDays?: number | undefined;
}

/** Tokens for programs: `avk_ID_SECRET`, of which only a hash of the secret is kept. */
export interface ApiTokens {
  list(): Promise<ApiTokenView[]>;
  /** The only time that the token is there to be seen. @throws AvkError AVK_NOT_FOUND, AVK_NAME_TAKEN, AVK_UNACCEPTABLE */
  create(wanted: NewApiToken): Promise<ApiTokenView & { token: string }>;
  /** @throws AvkError AVK_NOT_FOUND */
  revoke(id: string): Promise<void>;
  check(token: string): Promise<Verdict | null>;
}

const ID_BYTES = 8;
const SECRET_BYTES = 32;
const FORM = new RegExp(`^${API_TOKEN_PREFIX}([0-9a-f]{${ID_BYTES * 2}})_([\\w-]{43})$`);
const DAY_MS = 24 * 3600 * 1000;
/** A token that is used all the time costs one write in this time. */
const USE_NOTED_MS = 60_000;

export function createApiTokens(database: Database<AuthenticatorTables>, clock: Clock, random: Random): ApiTokens {
  async function noteUse(row: TokenRow): Promise<void> {
    const now = clock.now();
    if (row.last_used_at !== null && row.last_used_at > now - USE_NOTED_MS) return;
    await database.transaction((tx) =>
      tx.updateTable('api_tokens').set({ last_used_at: now }).where('id', '=', row.id).execute(),
    );
  }

  return {
    async list() {
      const rows = await database.read
        .selectFrom('api_tokens')
        .innerJoin('users', 'users.name_key', 'api_tokens.user_key')
        .selectAll('api_tokens')
        .select('users.name as username')
        .orderBy('api_tokens.created_at', 'desc')
        .orderBy('api_tokens.id')
        .execute();
      return rows.map((row) => view(row, row.username));
    },
    async create({ name, username, role, scopes, expiresInDays }) {
      const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex');
      const secret = Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url');
      const now = clock.now();
      return database.transaction(async (tx) => {
        const owner = await existing(tx, username);
        const given = role ?? owner.role;
        if (ROLES.indexOf(given) > ROLES.indexOf(owner.role)) {
          const message = `expected at most ${owner.role}, the role of ${owner.name}`;
          const errors = [{ path: 'role', message, received: given }];
          throw new AvkError('AVK_UNACCEPTABLE', `role: ${message}`, { errors });
        }
        const same = await tx
          .selectFrom('api_tokens')
          .select('id')
          .where('user_key', '=', owner.name_key)
          .where('name', '=', name)
          .executeTakeFirst();
        if (same) throw new AvkError('AVK_NAME_TAKEN', `${owner.name} has a token ${name} already`);
        const row = {
          id,
          name,
          user_key: owner.name_key,
          role: given,
          scopes: scopes === undefined ? null : JSON.stringify([...new Set(scopes)]),
          hash: digest(secret).toString('hex'),
          created_at: now,
          expires_at: expiresInDays === undefined ? null : now + expiresInDays * DAY_MS,
          last_used_at: null,
        };
        await tx.insertInto('api_tokens').values(row).execute();
        return { ...view(row, owner.name), token: `${API_TOKEN_PREFIX}${id}_${secret}` };
      });
    },
    async revoke(id) {
      await database.transaction(async (tx) => {
        const { numDeletedRows } = await tx.deleteFrom('api_tokens').where('id', '=', id).executeTakeFirst();
        if (numDeletedRows === 0n) throw new AvkError('AVK_NOT_FOUND', `there is no token ${id}`);
      });
    },
    async check(token) {
      const [, id, secret] = FORM.exec(token) ?? [];
      if (!id || !secret) return null;
      const row = await database.read.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row || !timingSafeEqual(Buffer.from(row.hash, 'hex'), digest(secret))) return null;
      if (row.expires_at !== null && row.expires_at <= clock.now()) return null;
      const owner = await database.read
        .selectFrom('users')
        .select(['name', 'role'])
        .where('name_key', '=', row.user_key)
        .executeTakeFirst();
      if (!owner) return null;
      await noteUse(row);
      const scopes = scopesOf(row);
      return {
        name: owner.name,
        // The owner may have been demoted since.
        role: ROLES[Math.min(ROLES.indexOf(row.role), ROLES.indexOf(owner.role))] ?? 'user',
        token: { id: row.id, name: row.name },
        ...(scopes ? { scopes } : {}),
        expiresAt: row.expires_at,
      };
    },
  };
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function scopesOf(row: Pick<TokenRow, 'scopes'>): Scope[] | null {
  return row.scopes === null ? null : (JSON.parse(row.scopes) as Scope[]);
}

function view(row: TokenRow, username: string): ApiTokenView {
  const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  return {
    id: row.id,
    name: row.name,
    username,
    role: row.role,
    scopes: scopesOf(row) ?? [],
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: time(row.expires_at),
    lastUsedAt: time(row.last_used_at),
  };
}
