import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatEnvelope,
  formatText,
  parseEnvelope,
  parseNodeAnswer,
  parseText,
  subjectOf,
  type Text,
  type Verb,
} from './message.ts';

/** Every text of the starting document and of ours, as it stands on the wire. */
const TEXTS: [msg: string, text: Text, subject: string][] = [
  ['start platform', { verb: 'start platform', fields: {} }, ''],
  ['stop platform', { verb: 'stop platform', fields: {} }, ''],
  ['YES start platform$3 services', { verb: 'YES start platform', fields: { detail: '3 services' } }, ''],
  ['NO start platform$no VM', { verb: 'NO start platform', fields: { detail: 'no VM' } }, ''],
  ['YES stop platform$', { verb: 'YES stop platform', fields: { detail: '' } }, ''],
  ['NO stop platform$busy', { verb: 'NO stop platform', fields: { detail: 'busy' } }, ''],
  ['deploy app$web-1', { verb: 'deploy app', fields: { name: 'web-1' } }, 'web-1'],
  ['stop app$web-1', { verb: 'stop app', fields: { name: 'web-1' } }, 'web-1'],
  ['give best node$web-1', { verb: 'give best node', fields: { name: 'web-1' } }, 'web-1'],
  [`ans-node$${'{"node_ip": "10.0.0.1"}'}`, { verb: 'ans-node', fields: { node: '{"node_ip": "10.0.0.1"}' } }, ''],
  [
    'done deployed$web-1$10.0.0.1:2000',
    { verb: 'done deployed', fields: { name: 'web-1', endpoint: '10.0.0.1:2000' } },
    'web-1',
  ],
  ['done stopped$web-1', { verb: 'done stopped', fields: { name: 'web-1' } }, 'web-1'],
  [
    'error deploy$web-1$it cost $5 $',
    { verb: 'error deploy', fields: { name: 'web-1', reason: 'it cost $5 $' } },
    'web-1',
  ],
  ['error stop$web-1$$', { verb: 'error stop', fields: { name: 'web-1', reason: '$' } }, 'web-1'],
  [
    'progress deploy$web-1$building',
    { verb: 'progress deploy', fields: { name: 'web-1', state: 'building' } },
    'web-1',
  ],
  [
    'state app$web-1$degraded$1 of 2$3 replicas',
    { verb: 'state app', fields: { name: 'web-1', state: 'degraded', reason: '1 of 2$3 replicas' } },
    'web-1',
  ],
  [
    'schedule app$web-1$2026-01-01T00:00:00Z$',
    { verb: 'schedule app', fields: { name: 'web-1', start: '2026-01-01T00:00:00Z', end: '' } },
    'web-1',
  ],
  ['done schedule app$web-1', { verb: 'done schedule app', fields: { name: 'web-1' } }, 'web-1'],
  ['its time$web-1', { verb: 'its time', fields: { name: 'web-1' } }, 'web-1'],
  ['its end time$web-1', { verb: 'its end time', fields: { name: 'web-1' } }, 'web-1'],
  [
    'skipped its time$web-1$it cost $5',
    { verb: 'skipped its time', fields: { name: 'web-1', reason: 'it cost $5' } },
    'web-1',
  ],
  [
    'error schedule$web-1$start: $?',
    { verb: 'error schedule', fields: { name: 'web-1', reason: 'start: $?' } },
    'web-1',
  ],
  ['unschedule app$web-1', { verb: 'unschedule app', fields: { name: 'web-1' } }, 'web-1'],
];

describe('message texts', () => {
  for (const [msg, text, subject] of TEXTS) {
    test(`${text.verb}, both ways`, () => {
      assert.deepEqual(parseText(msg), text);
      assert.equal(formatText(text.verb, text.fields as Parameters<typeof formatText<Verb>>[1]), msg);
      assert.equal(subjectOf(text), subject);
    });
  }

  test('fields that are missing at the end are empty', () => {
    assert.deepEqual(parseText('schedule app$web$2026-01-01T00:00:00Z')?.fields, {
      name: 'web',
      start: '2026-01-01T00:00:00Z',
      end: '',
    });
    assert.deepEqual(parseText('deploy app')?.fields, { name: '' });
    assert.deepEqual(parseText('YES start platform')?.fields, { detail: '' });
  });

  test('what is none of ours is null', () => {
    for (const msg of ['', '$', 'deploy', 'Deploy app$x', 'toString$x', 'deploy  app$x'])
      assert.equal(parseText(msg), null, msg);
  });
});

describe('envelopes', () => {
  const envelope = {
    to_topic: 'first_topic',
    from_topic: 'NodeManager',
    request_id: 'r1',
    msg: 'done stopped$x',
  } as const;

  test('JSON and what Python prints of a dict', () => {
    assert.deepEqual(parseEnvelope(formatEnvelope(envelope)), envelope);
    const python = `{'to_topic': 'first_topic', 'from_topic': "NodeManager", 'request_id': 'r1', 'msg': 'done stopped$x'}`;
    assert.deepEqual(parseEnvelope(python), envelope);
  });

  test('a refusal names the field', () => {
    assert.throws(
      () => parseEnvelope(JSON.stringify({ ...envelope, to_topic: 'Elsewhere' })),
      /message refused: to_topic/,
    );
    assert.throws(() => parseEnvelope(JSON.stringify({ ...envelope, request_id: '' })), /message refused: request_id/);
    assert.throws(() => parseEnvelope(JSON.stringify({ ...envelope, msg: 5 })), /message refused: msg/);
    assert.throws(() => parseEnvelope('[]'), /message refused: envelope/);
    assert.throws(() => parseEnvelope('hello'), /neither JSON .* nor a Python literal/);
  });
});

describe('ans-node', () => {
  const node = { node_ip: '10.0.0.2', port: 20_000, app_name: 'web', node_name: 'VM1' };

  test('in JSON, in Python quotes, the port as a number or as text', () => {
    assert.deepEqual(parseNodeAnswer(JSON.stringify(node)), node);
    assert.deepEqual(
      parseNodeAnswer("{'node_ip': '10.0.0.2', 'port': '20000', 'app_name': 'web', 'node_name': 'VM1'}"),
      node,
    );
  });

  test('there may be none', () => {
    const none = { error: 'AVK_NO_NODE', app_name: 'web' };
    assert.deepEqual(parseNodeAnswer(JSON.stringify(none)), none);
  });

  test('what has fields missing or a port that is none is refused', () => {
    for (const wrong of [{ ...node, port: 0 }, { ...node, port: 'x' }, { ...node, node_ip: '' }, { app_name: 'web' }]) {
      assert.throws(() => parseNodeAnswer(JSON.stringify(wrong)));
    }
  });
});
