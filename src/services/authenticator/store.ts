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
};
