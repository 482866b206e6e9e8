import type { Generated } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { Role } from '../../kernel/auth.ts';

export interface AuthenticatorTables {
  users: {
    /** Without regard to case. */
    name_key: string;
    name: string;
    role: Role;
    /** argon2id, in its own text form. */
    password: string;
    created_at: number;
    last_login_at: number | null;
  };
  /** Sign-ins that go on. */
  sessions: {
    id: string;
    user_key: string;
    created_at: number;
    expires_at: number;
  };
  api_tokens: {
    id: string;
    name: string;
    user_key: string;
    role: Role;
    /** JSON list; null: all that the role may. */
    scopes: string | null;
    /** SHA-256 of the secret part, hexadecimal. The secret itself is kept nowhere. */
    hash: string;
    created_at: number;
    expires_at: number | null;
    last_used_at: number | null;
  };
  audit: {
    id: Generated<number>;
    at: number;
    actor: string;
    action: string;
    method: string;
    path: string;
    target: string | null;
    status: number;
    from_address: string;
  };
}

export const migrations: Record<string, Migration> = {
  '0100_users': {
    async up(db) {
      await db.schema
        .createTable('users')
        .addColumn('name_key', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('role', 'text', (c) => c.notNull())
        .addColumn('password', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '0110_sessions': {
    async up(db) {
      await db.schema.alterTable('users').addColumn('last_login_at', 'bigint').execute();
      await db.schema
        .createTable('sessions')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_key', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('sessions_by_user').on('sessions').column('user_key').execute();
    },
  },
  '0120_api_tokens': {
    async up(db) {
      await db.schema
        .createTable('api_tokens')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('user_key', 'text', (c) => c.notNull())
        .addColumn('role', 'text', (c) => c.notNull())
        .addColumn('scopes', 'text')
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('expires_at', 'bigint')
        .addColumn('last_used_at', 'bigint')
        .execute();
      await db.schema.createIndex('api_tokens_by_user').on('api_tokens').column('user_key').execute();
    },
  },
  '0130_audit': {
    async up(db) {
      await db.schema
        .createTable('audit')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('action', 'text', (c) => c.notNull())
        .addColumn('method', 'text', (c) => c.notNull())
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('target', 'text')
        .addColumn('status', 'integer', (c) => c.notNull())
        .addColumn('from_address', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('audit_by_time').on('audit').column('at').execute();
    },
  },
};
