import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createMachines } from '../../kernel/machines.ts';
import type { ContainerRuntime } from '../../ports/container-runtime.ts';
import type { Host, HostSample } from '../../ports/host.ts';
import type { Machine } from '../../ports/machines.ts';
import { createFleet, type Fleet } from './fleet.ts';

const silent = (): void => undefined;
const DOCKER = 'Docker on VM1 does not answer (GET /events): connect ECONNREFUSED.';

const sample: HostSample = {
  at: 0,
  cpuPercent: 10,
  memoryPercent: 10,
  diskPercent: 10,
  cores: 2,
  memoryBytes: 8 * 1024 ** 3,
  replicas: [],
};

/** A machine that answers twice a second, whatever is the matter with its containers. */
function machineWith(clock: VirtualClock, trouble: () => string | null): Machine {
  const host: Partial<Host> = {
    name: 'VM1',
    address: '10.0.0.11',
    async *probe({ everyMs, signal }) {
      for (;;) {
        yield sample;
        await clock.sleep(everyMs, signal);
      }
    },
  };
  const runtime: Partial<ContainerRuntime> = { list: async () => [], trouble };
  return {
    host: host as Host,
    runtime: runtime as ContainerRuntime,
    ports: { first: 20_000, last: 20_999 },
    login: { username: '', keyPath: '', servicePath: '' },
  };
}

async function withFleet(
  fn: (lab: {
    clock: VirtualClock;
    fleet: Fleet;
    trouble: (what: string | null) => void;
    is: () => string;
  }) => Promise<void>,
  atFirst: string | null = null,
): Promise<void> {
  const clock = createVirtualClock();
  let now = atFirst;
  const machine = machineWith(clock, () => now);
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const fleet = createFleet({ machines: createMachines([machine], () => machine), clock, log });
  fleet.start();
  await clock.advance(1000);
  try {
    await fn({
      clock,
      fleet,
      trouble: (what) => {
        now = what;
      },
      is: () => fleet.view().nodes.map(({ state, reason }) => `${state}: ${reason}`)[0] ?? '',
    });
  } finally {
    await fleet.stop();
  }
}

test('a machine whose containers cannot be managed is suspect, then lost, says why, and is ready again by itself', () =>
  withFleet(async ({ clock, fleet, trouble, is }) => {
    assert.equal(is(), 'ready: null');
    trouble(DOCKER);
    await clock.advance(2000);
    assert.equal(is(), `suspect: ${DOCKER}`);
    const seen = fleet.view().nodes[0]?.lastSeen ?? 0;
    await clock.advance(3000);
    assert.equal(is(), `lost: ${DOCKER}`);
    assert.equal(fleet.view().nodes[0]?.lastSeen, seen, 'it is as if it had not answered since');
    trouble(null);
    await clock.advance(500);
    assert.equal(is(), 'ready: null');
  }));

test('containers that cannot be managed for two seconds do not make a machine lost', () =>
  withFleet(async ({ clock, trouble, is }) => {
    for (const what of [DOCKER, null, DOCKER, null]) {
      trouble(what);
      await clock.advance(2000);
      assert.equal(is(), what === null ? 'ready: null' : `suspect: ${DOCKER}`);
    }
  }));

test('a machine whose containers could never be managed is not ready at any time', () =>
  withFleet(async ({ clock, is }) => {
    assert.equal(is(), `suspect: ${DOCKER}`);
    await clock.advance(10_000);
    assert.equal(is(), `lost: ${DOCKER}`);
  }, DOCKER));
