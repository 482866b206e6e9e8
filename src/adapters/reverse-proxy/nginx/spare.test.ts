import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { route } from '../../../../test/contracts/reverse-proxy.support.ts';
import type { Route } from '../../../ports/reverse-proxy.ts';
import { sharedText } from './shared-text.ts';
import { earlyPorts, portsLine, renewSpares } from './spare.ts';
import { readSpares, spareServer } from './spare-conf.ts';

const free = (): boolean => false;
const at = (...ports: number[]): Route[] => ports.map((port) => route(`app-${port}`, port, []));
const byName = (routes: readonly Route[]): Map<string, Route> => new Map(routes.map((each) => [each.name, each]));

test('spare ports are those that the next apps get', () => {
  const spares = renewSpares({ current: [], routes: at(2000, 2003), taken: (port) => port === 2005, room: 100 });
  assert.deepEqual(spares.slice(0, 3), [2004, 2006, 2007]);
  assert.equal(spares.length, 16);
  assert.deepEqual(
    renewSpares({ current: [], routes: [], taken: free, room: 100 }),
    [],
    'nobody knows where they begin',
  );
  assert.deepEqual(renewSpares({ current: [], routes: at(2000), taken: free, room: 2 }), [2001, 2002]);
  assert.deepEqual(renewSpares({ current: [], routes: at(65_534), taken: free, room: 9 }), [65_535]);
  assert.deepEqual(renewSpares({ current: [2001], routes: at(2000), taken: free, room: -3 }), []);
});

test('spare ports stay the same until one is used, whatever apps come and go', () => {
  const port = fc.integer({ min: 2000, max: 2200 });
  fc.assert(
    fc.property(
      fc.uniqueArray(port, { minLength: 1 }),
      fc.uniqueArray(port),
      fc.func(fc.boolean()),
      (first, next, taken) => {
        const options = { taken: (each: number) => taken(each), room: 50 };
        const spares = renewSpares({ ...options, current: [], routes: at(...first) });
        assert.deepEqual(renewSpares({ ...options, current: spares, routes: at(...first) }), spares);
        const later = renewSpares({ ...options, current: spares, routes: at(...first, ...next) });
        const unused = spares.filter((each) => each > Math.max(...first, ...next));
        assert.deepEqual(later.slice(0, unused.length), unused);
        assert.equal(new Set(later).size, later.length);
        assert.ok(later.every((each) => ![...first, ...next].includes(each)));
      },
    ),
  );
});

test('a route is live early at a spare port, if nothing else has to change', () => {
  const live = byName(at(2000));
  const spares = [2001, 2002];
  assert.deepEqual([...(earlyPorts(at(2000, 2001), live, spares) ?? [])], [['app-2001', 2001]]);
  assert.deepEqual(earlyPorts([route('app-2000', 2000, [{ ip: '10.0.0.1', port: 1 }])], live, spares), new Map());
  const not: [string, Route[]][] = [
    ['a port that is not spare', at(2000, 2003)],
    ['a route that is gone', at(2001)],
    ['another port of one that is live', [route('app-2000', 2001, [])]],
    ['another limit of one that is live', [route('app-2000', 2000, [], { maxBodyBytes: 5 })]],
    ['a limit that spare ports do not have', [...at(2000), route('new', 2001, [], { maxBodyBytes: 5 })]],
    ['a name that no file can have', [...at(2000), route('../new', 2001, [])]],
  ];
  for (const [what, routes] of not) assert.equal(earlyPorts(routes, live, spares), null, what);
});

test('NGINX is told whose the spare ports are, and its file says which there are', () => {
  assert.equal(
    portsLine(
      new Map([
        ['web', 2001],
        ['room-1', 2002],
      ]),
    ),
    'ports\t2001 web,2002 room-1',
  );
  assert.equal(portsLine(new Map()), 'ports\t-');
  const shared = sharedText('lua', '/etc/nginx/conf.d/.avishkar', true);
  assert.deepEqual(readSpares(spareServer([2001, 2002], shared)), [2001, 2002]);
  assert.equal(spareServer([], shared), '');
  assert.deepEqual(readSpares('server { listen 127.0.0.1:1989; }'), []);
});
