import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance, Machine, PlatformStatus, Schedule } from '../api/types.ts';
import { concerns } from './concerns.ts';

const NOTHING = { platform: undefined, machines: undefined, instances: undefined, schedules: undefined };
const machine = (more: Partial<Machine>): Machine => ({
  name: 'node1',
  address: '127.0.0.1',
  state: 'ready',
  role: 'pretended',
  cpuPercent: 1,
  memoryPercent: 1,
  diskPercent: 50,
  score: 80,
  replicas: 0,
  lastSeen: null,
  ...more,
});
const instance = (more: Partial<Instance>) => ({ instanceName: 'web-1', state: 'running', ...more }) as Instance;
const schedule = (more: Partial<Schedule>) => ({ instanceName: 'mornings', state: 'waiting', ...more }) as Schedule;
const platform = (services: object[], status = 'running') => ({ status, since: '', services }) as PlatformStatus;
const states = (known: Partial<Parameters<typeof concerns>[0]>): string[] =>
  concerns({ ...NOTHING, ...known }).map(({ kind, name, state }) => `${kind} ${name} ${state}`);

test('what is well, on its way or as somebody wanted it needs nobody', () => {
  assert.deepEqual(concerns(NOTHING), []);
  assert.deepEqual(
    states({
      machines: [machine({}), machine({ state: 'drained' }), machine({ diskPercent: 85 })],
      instances: (['running', 'building', 'stopped', 'cancelled', 'scheduled'] as const).map((state) =>
        instance({ state }),
      ),
      schedules: [schedule({}), schedule({ lastOutcome: { at: '', text: 'could not care less', failed: false } })],
      platform: platform([{ name: 'scheduler', state: 'stopped' }], 'stopped'),
    }),
    [],
  );
});

test('machines and services come before what hangs on them', () => {
  const failed = { at: '2026-11-22T08:00:00Z', text: 'it could not start', failed: true };
  assert.deepEqual(
    states({
      machines: [machine({ state: 'lost' }), machine({ name: 'node2', diskPercent: 91 })],
      platform: platform([
        { name: 'scheduler', state: 'restarting' },
        { name: 'node-manager', state: 'running', health: 'failing' },
        { name: 'load-balancer', state: 'stopped' },
      ]),
      instances: [instance({ state: 'failed', reason: 'exit code 7' }), instance({ state: 'degraded' })],
      schedules: [schedule({ lastOutcome: failed }), schedule({ state: 'ended', lastOutcome: failed })],
    }),
    [
      'machine node1 lost',
      'machine node2 degraded',
      'service Scheduler restarting',
      'service Node manager failing',
      'service Load balancer stopped',
      'instance web-1 failed',
      'instance web-1 degraded',
      'schedule mornings failed',
    ],
  );
});
