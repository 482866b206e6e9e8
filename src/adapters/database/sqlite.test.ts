import { test } from 'node:test';
import { sqliteDatabaseLab } from '../../../test/contracts/broken/database-lab.ts';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { databaseContract } from '../../../test/contracts/database.contract.ts';

databaseContract('SQLite', { create: () => sqliteDatabaseLab() });

const fixture = (name: string): URL =>
  new URL(`../../../test/contracts/broken/database-${name}.fixture.ts`, import.meta.url);

test('the contract notices a database that keeps half a transaction', () =>
  expectContractToFail(fixture('no-rollback'), [
    'takes back everything when a statement fails',
    'takes back everything when the function throws, and throws the same',
  ]));

test('the contract notices a database that lets a replaced start write on', () =>
  expectContractToFail(fixture('any-epoch'), ['counts its starts, and lets only the newest one write']));
