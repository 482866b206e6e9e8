import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { platformState, retryAfter, servicesToStart } from './service-plan.ts';

const service = fc.record({
  name: fc.string({ minLength: 1, maxLength: 5 }),
  alive: fc.boolean(),
  failures: fc.nat(50),
  retryAt: fc.nat(1000),
});

describe('keeping services running', () => {
  test('exactly those that are not there and whose back-off is over are started', () => {
    fc.assert(
      fc.property(fc.uniqueArray(service, { selector: ({ name }) => name }), fc.nat(1000), (services, now) => {
        const started = new Set(servicesToStart(services, now));
        for (const { name, alive, retryAt } of services) {
          assert.equal(started.has(name), !alive && retryAt <= now);
        }
      }),
    );
  });

  test('the first failure is followed by a start at once, further ones by longer and longer waits, up to a minute', () => {
    assert.equal(retryAfter(1, 5000), 5000);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (failures) => {
        const wait = retryAfter(failures, 0);
        assert.ok(wait <= retryAfter(failures + 1, 0));
        assert.ok(wait <= 60_000);
      }),
    );
    assert.equal(retryAfter(2, 0), 1000);
    assert.equal(retryAfter(3, 0), 2000);
  });

  test('the platform runs when all that is wanted is there, and says which is not', () => {
    assert.deepEqual(platformState('running', false, []), { state: 'running', reason: '' });
    assert.deepEqual(platformState('running', true, [{ name: 'scheduler', reason: null }]).state, 'starting');
    assert.deepEqual(platformState('stopped', true, []).state, 'stopping');
    assert.deepEqual(platformState('stopped', false, [{ name: 'scheduler', reason: null }]).state, 'stopped');
    assert.deepEqual(platformState('running', false, [{ name: 'scheduler', reason: 'port 8015 is in use' }]), {
      state: 'degraded',
      reason: 'not running: scheduler (port 8015 is in use)',
    });
  });
});
