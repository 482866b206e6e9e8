import { test } from 'node:test';
import { sqliteRegistryLab } from '../../../test/contracts/broken/service-registry-lab.ts';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { serviceRegistryContract } from '../../../test/contracts/service-registry.contract.ts';

serviceRegistryContract('SQLite', { create: () => sqliteRegistryLab() });

const fixture = (name: string): URL =>
  new URL(`../../../test/contracts/broken/service-registry-${name}.fixture.ts`, import.meta.url);

test('the contract notices a registry that keeps the entries of the dead', () =>
  expectContractToFail(fixture('immortal'), [
    'drops the entries of a dead owner, and tells watchers',
    'keeps the entries of a living owner for as long as it lives',
  ]));

test('the contract notices a registry that does not end older sessions', () =>
  expectContractToFail(fixture('many-sessions'), [
    'ends the older session also when it is of another process',
    'ends the older session of an owner when it begins a newer one',
  ]));
