import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../test/support/eventually.ts';
import { type Behaviour, type SagaLab, sagaLab } from '../../test/support/saga-lab.ts';
import { createVirtualClock } from '../../test/support/virtual-clock.ts';
import { AvkError } from '../domain/errors.ts';

async function newLab(t: TestContext, seed: number): Promise<SagaLab> {
  const lab = await sagaLab(seed);
  t.after(() => lab.cleanup());
  return lab;
}

/** A lab whose saga service has time of its own, and a way to wait while it passes. */
async function timedLab(t: TestContext, seed: number) {
  const clock = createVirtualClock();
  const lab = await sagaLab(seed, clock);
  t.after(() => lab.cleanup());
  /** Lets time pass until the saga is over; returns what its end noted and how much passed. */
  const passes = async (subject: string, stepMs: number): Promise<{ end: string; ms: number }> => {
    const began = clock.monotonic();
    const pass = async (): Promise<boolean> => {
      await clock.advance(stepMs);
      return !['running', 'compensating'].includes((await lab.row(subject)).state);
    };
    await eventually(pass, { everyMs: 1 });
    return { end: await lab.end(subject), ms: clock.monotonic() - began };
  };
  return { lab, clock, passes };
}

/** A message to the service, as another program would publish it. */
function answerTo(subject: string, msg: string) {
  const value = {
    to_topic: 'DeploymentManager',
    from_topic: 'NodeManager',
    request_id: `request-${subject}`,
    msg,
  };
  return { topic: 'DeploymentManager', key: 'x', value: JSON.stringify(value) };
}

/** Everything is there, or nothing is. */
function assertWorld(lab: SagaLab, subject: string, deployed: boolean, about = ''): void {
  assert.equal(lab.world.running.has(subject), deployed, `running ${about}`);
  assert.equal(lab.world.registered.has(subject), deployed, `registered ${about}`);
}

const refused = (): Promise<never> => Promise.reject(new AvkError('AVK_ROUTE_REJECTED', 'no such route'));
const unreachable = (): Promise<never> => Promise.reject(new AvkError('AVK_HOST_UNREACHABLE', 'node-0 is silent'));
const hangs = (): Promise<never> => new Promise(() => undefined);

test('goes through its steps in order, with what they add, and journals each', async (t) => {
  const lab = await newLab(t, 1);
  const subject = await lab.begin();
  assert.equal(await lab.end(subject), 'done node-0:1');
  assert.deepEqual(lab.world.log, [`build ${subject}`, `start ${subject}`, `register ${subject}`]);
  assertWorld(lab, subject, true);
  assert.deepEqual(await lab.journal(subject), [
    'place entered',
    'place finished',
    'build entered',
    'build finished',
    'start entered',
    'start finished',
    'register entered',
    'register finished',
    'end ended',
  ]);
});

test('many go on at once', async (t) => {
  const lab = await newLab(t, 2);
  const subjects = await Promise.all(Array.from({ length: 15 }, () => lab.begin()));
  for (const subject of subjects) assert.equal(await lab.end(subject), 'done node-0:1');
});

test('a step that fails is taken back with those before it, backwards', async (t) => {
  const lab = await newLab(t, 3);
  lab.behaviour = { register: refused };
  const subject = await lab.begin();
  assert.equal(await lab.end(subject), 'failed in register: AVK_ROUTE_REJECTED: no such route');
  assert.deepEqual(lab.world.log.slice(3), [
    `undo register ${subject}`,
    `undo start ${subject}`,
    `undo place ${subject}`,
  ]);
  assertWorld(lab, subject, false);
  assert.equal((await lab.row(subject)).state, 'failed');
});

test('an answer that says no fails the step', async (t) => {
  const lab = await newLab(t, 4);
  lab.behaviour = { answer: () => 'none' };
  const subject = await lab.begin();
  assert.equal(await lab.end(subject), 'failed in place: AVK_NO_NODE: no machine can take it');
  assert.deepEqual(lab.world.log, [`undo place ${subject}`]);
});

test('an answer counts once, and only while its step waits', async (t) => {
  const lab = await newLab(t, 5);
  lab.behaviour = { answer: () => null };
  const subject = await lab.begin();
  await eventually(() => lab.points.includes('deploy.place.entered.after'));
  const answer = (node: string, of = subject) => answerTo(of, `ans-node$${node}`);
  await lab.kernel.bus.publish([answer('of-another', 'other'), answer('first'), answer('second'), answer('none')]);
  assert.equal(await lab.end(subject), 'done first:1');
  await lab.kernel.bus.publish([answer('too-late')]);
  assert.equal(await lab.end(subject), 'done first:1');
});

test('a refusal is not undone by a second answer', async (t) => {
  const lab = await newLab(t, 6);
  lab.behaviour = { answer: () => 'none' };
  const subject = await runWith(lab, 'deploy.place.failed.after', () => lab.crash());
  assert.equal((await lab.row(subject)).state, 'running');
  await lab.restart(async () => {
    await lab.kernel.bus.publish([
      answerTo(subject, 'ans-node$node-9'),
      // Not understood, which is logged: then the one before it was handled.
      answerTo(subject, 'sing a song'),
    ]);
    await eventually(() => lab.kernel.logged.includes('message passed over: its text is unknown'));
  });
  assert.match(await lab.end(subject), /^failed in place: AVK_NO_NODE/);
});

test('a step that takes too long fails at its deadline, whether it listens or not', async (t) => {
  const { lab, passes } = await timedLab(t, 7);
  lab.behaviour = { build: hangs, deadlineMs: 30_000 };
  const subject = await lab.begin();
  await eventually(() => lab.world.log.includes(`build ${subject}`));
  const { end, ms } = await passes(subject, 5000);
  assert.equal(end, `failed in build: AVK_DEADLINE: build of ${subject} took longer than 30 s`);
  assert.ok(ms >= 30_000 && ms <= 40_000);
  lab.behaviour = { answer: () => null, deadlineMs: 10_000 };
  const unanswered = await lab.begin();
  await eventually(async () => (await lab.journal(unanswered)).length === 1);
  assert.equal(
    (await passes(unanswered, 1000)).end,
    `failed in place: AVK_DEADLINE: place of ${unanswered} took longer than 10 s`,
  );
});

test('an error that may pass is tried again, another is not', async (t) => {
  const { lab, passes } = await timedLab(t, 8);
  let tries = 0;
  const busy = (): Promise<never> => Promise.reject(new AvkError('AVK_SERVICE_UNAVAILABLE', 'not just now'));
  lab.behaviour = { build: () => (++tries < 5 ? busy() : Promise.resolve()) };
  const subject = await lab.begin();
  assert.equal((await passes(subject, 100)).end, 'done node-0:1');
  assert.equal(tries, 5);
  tries = 0;
  lab.behaviour = {
    build: () => {
      tries += 1;
      return refused();
    },
  };
  assert.match((await passes(await lab.begin(), 100)).end, /^failed in build: AVK_ROUTE_REJECTED/);
  assert.equal(tries, 1);
});

test('tried in vain until the deadline, it fails with what kept it from succeeding', async (t) => {
  const { lab, passes } = await timedLab(t, 9);
  lab.behaviour = {
    build: () => Promise.reject(new AvkError('AVK_SERVICE_UNAVAILABLE', 'nobody there')),
    deadlineMs: 10_000,
  };
  const subject = await lab.begin();
  assert.equal(
    (await passes(subject, 500)).end,
    `failed in build: AVK_SERVICE_UNAVAILABLE: build of ${subject} took longer than 10 s; the last try failed: nobody there`,
  );
});

test('recovers by going back, with another context', async (t) => {
  let tries = 0;
  const { lab, passes } = await timedLab(t, 10);
  lab.behaviour = {
    build: (context) => {
      tries += 1;
      return context.node === 'node-0' ? unreachable() : Promise.resolve();
    },
    deadlineMs: 10_000,
  };
  const subject = await lab.begin();
  assert.equal((await passes(subject, 500)).end, 'done node-1:1');
  assert.equal(tries, 2, 'another way is better than the same one again');
  assert.equal(lab.world.running.get(subject), 'node-1');
  lab.behaviour = { build: unreachable, deadlineMs: 10_000 };
  const hopeless = await lab.begin();
  assert.match((await passes(hopeless, 500)).end, /^failed in build: AVK_HOST_UNREACHABLE/);
  const asked = (await lab.journal(hopeless)).filter((entry) => entry === 'place entered');
  assert.equal(asked.length, 3);
});

test('an undo that fails is tried again; one that fails for ever is given up at its deadline', async (t) => {
  const { lab, passes } = await timedLab(t, 11);
  let tries = 0;
  lab.behaviour = {
    register: refused,
    undoStart: () => (++tries < 4 ? Promise.reject(new Error('no')) : Promise.resolve()),
  };
  const mended = await lab.begin();
  assert.match((await passes(mended, 200)).end, /^failed in register/);
  assertWorld(lab, mended, false);
  assert.ok((await lab.journal(mended)).includes('start undone'));

  lab.behaviour = { register: refused, undoStart: () => Promise.reject(new Error('never')) };
  const given = await lab.begin();
  const { end, ms } = await passes(given, 1000);
  assert.equal(end, 'failed in register: AVK_ROUTE_REJECTED: no such route');
  assert.ok(ms >= 60_000);
  assert.ok((await lab.journal(given)).includes('start undo-failed'));
  // Those before it are taken back all the same.
  assert.equal(lab.world.log.at(-1), `undo place ${given}`);
  lab.behaviour = { register: refused, undoStart: hangs };
  assert.match((await passes(await lab.begin(), 1000)).end, /^failed in register/);
});

test('a stop lets go at once, also while something is taken back, and the next start goes on', async (t) => {
  const lab = await newLab(t, 12);
  const waits: [Behaviour, string, RegExp][] = [
    [{ answer: () => null }, 'deploy.place.entered.after', /^done/],
    [{ build: hangs }, 'deploy.build.entered.after', /^done/],
    [{ register: refused, undoStart: hangs }, 'deploy.register.undone.after', /^failed in register/],
  ];
  for (const [behaviour, point, expected] of waits) {
    lab.points.length = 0;
    lab.behaviour = behaviour;
    const subject = await lab.begin();
    await eventually(() => lab.points.includes(point));
    await lab.service().stop();
    assert.ok(['running', 'compensating'].includes((await rowAfter(lab, subject)).state), point);
    assert.match(await lab.end(subject), expected, point);
  }
});

/** Starts again with everything working, and returns the row as it was found. */
async function rowAfter(lab: SagaLab, subject: string) {
  lab.behaviour = lab.behaviour.register ? { register: refused } : {};
  await lab.restart();
  const row = await lab.row(subject);
  // The question is not asked again: the answer may still be on its way.
  if ((await lab.journal(subject)).length === 1) {
    await lab.kernel.bus.publish([answerTo(subject, 'ans-node$node-0')]);
  }
  return row;
}

/** Every journal point that a saga of that behaviour passes. */
async function pointsOf(lab: SagaLab, behaviour: Behaviour): Promise<string[]> {
  lab.behaviour = behaviour;
  lab.points.length = 0;
  await lab.end(await lab.begin());
  return [...new Set(lab.points)];
}

/** Runs one saga and has `act` done when the point is passed for the first time. */
async function runWith(lab: SagaLab, point: string, act: (subject: string) => void): Promise<string> {
  const { promise: passed, resolve } = Promise.withResolvers<void>();
  let subject = '';
  const passes: string[] = [];
  lab.atPoint = (at) => {
    passes.push(at);
    if (at !== point) return;
    lab.atPoint = null;
    act(subject);
    resolve();
  };
  subject = await lab.begin();
  await passed;
  return subject;
}

for (const [kind, behaviour, seed] of [
  ['that goes well', {}, 20],
  ['that fails', { register: refused }, 21],
] as [string, Behaviour, number][]) {
  test(`a deployment ${kind} survives a crash at every point of its journal`, async (t) => {
    const lab = await newLab(t, seed);
    const points = await pointsOf(lab, behaviour);
    assert.ok(points.length >= 13, `${points}`);
    for (const point of points) {
      const subject = await runWith(lab, point, () => lab.crash());
      await lab.restart();
      const end = await lab.end(subject);
      assert.match(end, behaviour.register ? /^failed in register: AVK_ROUTE_REJECTED/ : /^done node-0:1$/, point);
      assertWorld(lab, subject, behaviour.register === undefined, point);
    }
  });

  test(`a deployment ${kind} can be cancelled at every point of its journal`, async (t) => {
    const lab = await newLab(t, seed + 10);
    for (const point of await pointsOf(lab, behaviour)) {
      let cancelled: Promise<boolean> = Promise.resolve(false);
      const subject = await runWith(lab, point, (name) => {
        cancelled = lab.cancel(name);
      });
      const end = await lab.end(subject);
      const live = await cancelled;
      if (!live) {
        // The last step's end and the saga's are one transaction.
        const over = ['deploy.register.finished.after', 'deploy.end.ended.after'];
        assert.ok(over.includes(point), `only what is over cannot be cancelled: ${point}`);
        continue;
      }
      // What had begun to fail keeps its reason.
      assert.match(
        end,
        behaviour.register ? /^(cancelled|failed) in / : /^cancelled in .*AVK_CANCELLED: the user asked for it$/,
        point,
      );
      assertWorld(lab, subject, false, point);
    }
  });
}

test('a cancel ends the step, however it falls between two steps', async (t) => {
  const lab = await newLab(t, 50);
  lab.behaviour = { build: hangs };
  for (let turns = 0; turns < 60; turns += 1) {
    const subject = await runWith(lab, 'deploy.place.finished.after', (name) => {
      void (async () => {
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        await lab.cancel(name);
      })();
    });
    // Lost, it would be seen at the step's deadline only.
    assert.match(await lab.end(subject), /^cancelled in /, `after ${turns} turns`);
  }
});

test('a stop between two steps that are taken back does not wait for the next one', async (t) => {
  const lab = await newLab(t, 51);
  lab.behaviour = { register: refused, undoStart: hangs };
  let stopped = false;
  const subject = await runWith(lab, 'deploy.register.undone.after', () => {
    void lab
      .service()
      .sagas.stop()
      .then(() => {
        stopped = true;
      });
  });
  await eventually(() => stopped);
  assert.equal((await lab.row(subject)).state, 'compensating');
  await lab.service().stop();
  lab.behaviour = {};
  await lab.restart();
  assert.match(await lab.end(subject), /^failed in register/);
});

test('a crash after a cancel does not forget it', async (t) => {
  const lab = await newLab(t, 40);
  lab.behaviour = { build: hangs };
  const subject = await lab.begin();
  await eventually(() => lab.world.log.includes(`build ${subject}`));
  lab.atPoint = (point) => {
    if (point === 'deploy.build.failed.before') lab.crash();
  };
  assert.equal(await lab.cancel(subject), true);
  lab.atPoint = null;
  lab.crash();
  lab.behaviour = {};
  await lab.restart();
  assert.match(await lab.end(subject), /^cancelled in build/);
  assertWorld(lab, subject, false);
});

test('cancelling ends the step that runs or waits, and what is not there cannot be cancelled', async (t) => {
  const lab = await newLab(t, 41);
  let aborted = false;
  lab.behaviour = {
    build: (_context, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(new AvkError('AVK_HOST_UNREACHABLE', 'cut off'));
        });
      }),
  };
  const building = await lab.begin();
  await eventually(() => lab.world.log.includes(`build ${building}`));
  assert.equal(await lab.cancel(building), true);
  assert.match(await lab.end(building), /^cancelled in build: AVK_CANCELLED: the user asked for it$/);
  assert.ok(aborted);
  lab.behaviour = { answer: () => null };
  const waiting = await lab.begin();
  await eventually(async () => (await lab.journal(waiting)).length === 1);
  assert.equal(await lab.cancel(waiting), true);
  assert.match(await lab.end(waiting), /^cancelled in place/);
  assert.equal(await lab.cancel(waiting), false);
  assert.equal(await lab.cancel('nobody'), false);
});

test('finds the live one of a subject', async (t) => {
  const lab = await newLab(t, 42);
  lab.behaviour = { answer: () => null };
  const subject = await lab.begin();
  const find = () => lab.service().messenger.transaction((unit) => lab.service().sagas.find(unit, 'deploy', subject));
  assert.deepEqual(await find(), { id: subject, kind: 'deploy', subject, requestId: `request-${subject}` });
  await lab.cancel(subject);
  await lab.end(subject);
  assert.equal(await find(), null);
});
