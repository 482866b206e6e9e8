import assert from 'node:assert/strict';
import { test } from 'node:test';
import { route } from '../../../../test/contracts/reverse-proxy.support.ts';
import type { Seen } from './machine.ts';
import { acceptRoutes, difference, filesToTest, isEmpty, sumOf } from './plan.ts';
import { renderAll } from './render.ts';
import { sharedText } from './shared-text.ts';

const shared = sharedText('plain', '/etc/nginx/conf.d/.avishkar', true);
const desired = renderAll([route('app', 2000, []), route('other', 2001, [])], 'plain', shared, {
  port: 1989,
  token: 'ab',
});
const FOREIGN = 'server { listen 80; }\n';

/** The folder with these files. */
function seen(files: ReadonlyMap<string, string>, extra = shared.files, listening: number[] = []): Seen {
  const sums = new Map([...files].map(([name, text]) => [name, sumOf(text)]));
  for (const [name, text] of extra) sums.set(`.avishkar/${name}`, sumOf(text));
  const heads = new Map([...files].map(([name, text]) => [name, text.split('\n')[0] ?? '']));
  const state = {
    master: 1,
    workers: [2],
    main: '',
    shared: '',
    listening: new Set(listening),
    written: new Set<number>(),
  };
  return { ...state, names: [...files.keys()], sums, heads };
}

const asWritten = new Map([...desired.files].map(([name, text]) => [name, sumOf(text)]));

test('nothing is to be done where all is as it should be, whoever wrote it', () => {
  for (const trusted of [new Map(), asWritten]) {
    const found = difference(desired, shared, seen(new Map([...desired.files, ['z.conf', FOREIGN]])), trusted);
    assert.ok(isEmpty(found));
    assert.deepEqual([found.tampered, found.unsure], [[], false]);
  }
});

test('ours that are not wanted go, others’ stay', () => {
  const found = difference(
    { ...desired, files: new Map() },
    shared,
    seen(new Map([...desired.files, ['z.conf', FOREIGN]])),
    new Map(),
  );
  assert.deepEqual([...found.removed].sort(), [...desired.files.keys()].sort());
});

test('edited and deleted files are told from changed ones', () => {
  const present = new Map(desired.files);
  present.set('app.conf', `${present.get('app.conf')}# by hand\n`);
  present.delete('other.conf');
  const found = difference(desired, shared, seen(present), asWritten);
  assert.deepEqual(found.tampered, [
    { file: 'app.conf', how: 'edited' },
    { file: 'other.conf', how: 'deleted' },
  ]);
  assert.equal(found.unsure, true);
  assert.deepEqual(found.replaced, ['app.conf']);
  // Also by another process's first look, from what the file says of itself.
  const anew = difference(desired, shared, seen(present), new Map());
  assert.deepEqual(anew.tampered, [{ file: 'app.conf', how: 'edited' }]);
  // A change of ours is nobody else's doing.
  const changed = renderAll([route('app', 2002, []), route('other', 2001, [])], 'plain', shared, {
    port: 1989,
    token: 'ab',
  });
  const own = difference(changed, shared, seen(desired.files), asWritten);
  assert.deepEqual(
    [own.tampered, own.unsure, [...own.files.keys()].sort()],
    [[], false, ['00-avishkar.conf', 'app.conf']],
  );
  const lost = difference(desired, shared, seen(desired.files, new Map()), new Map([['.avishkar/x', '']]));
  assert.equal(lost.shared.size, shared.files.size);
});

test('ports beyond those that NGINX has connections for are set aside, live ones last', () => {
  const around = { trusted: new Map(), own: new Set([2001]), controlPort: 1989, confDir: '/conf.d' };
  const wanted = [2000, 2001, 2002].map((port) => route(`app-${port}`, port, []));
  const { accepted, rejected } = acceptRoutes(wanted, seen(new Map()), {
    ...around,
    most: { ports: 2, sentence: 'no room' },
  });
  assert.deepEqual(
    accepted.map(({ publicPort }) => publicPort),
    [2000, 2001],
  );
  assert.deepEqual(rejected, [{ name: 'app-2002', reason: 'no room', portTaken: false }]);
});

test('routes are accepted only where nobody else is', () => {
  const most = { ports: 500, sentence: '' };
  const around = { trusted: new Map(), own: new Set([2000]), controlPort: 1989, confDir: '/conf.d', most };
  const wanted = [
    route('app', 2000, []),
    route('mine', 2001, []),
    route('taken', 2002, []),
    route('control', 1989, []),
    route('../x', 2003, []),
  ];
  const present = seen(new Map([['mine.conf', FOREIGN]]), shared.files, [2000, 2002]);
  const { accepted, rejected } = acceptRoutes(wanted, present, around);
  assert.deepEqual(
    accepted.map(({ name }) => name),
    ['app'],
  );
  assert.deepEqual(Object.fromEntries(rejected.map(({ name, reason }) => [name, reason])), {
    mine: '/conf.d/mine.conf is somebody else’s file',
    taken: 'port 2002 is taken by another program',
    control: 'port 1989 is the platform’s own way to NGINX',
    '../x': 'its name cannot be that of a file',
  });
});

test('files are tested in the order in which NGINX reads them, from where they wait', () => {
  const present = seen(new Map([...desired.files, ['gone.conf', FOREIGN]]));
  assert.deepEqual(filesToTest(present, '/c', ['app.conf', 'new.conf'], ['gone.conf']), [
    '/c/00-avishkar.conf',
    '/c/.avishkar/stage/new/app.conf',
    '/c/.avishkar/stage/new/new.conf',
    '/c/other.conf',
  ]);
});
