import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { mulberry32 } from '../../../test/support/kernel-lab.ts';
import { BEGIN, HOUR, iso, Lab, MINUTE } from './lab.fixture.ts';

describe('the scheduler', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = new Lab();
    await lab.begin();
  });
  afterEach(() => lab.end());

  test('says when it is time and when it ends, each once and not before', async () => {
    await lab.schedule('web', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR });
    await lab.comes('done schedule app$web');
    await lab.until(BEGIN + HOUR - 50);
    await lab.advance(9);
    assert.deepEqual(lab.texts(), ['done schedule app$web']);
    await lab.advance(20);
    const [start] = await lab.comes('its time$web');
    assert.ok(start && start.at >= BEGIN + HOUR && start.at <= BEGIN + HOUR + 100, 'late');
    assert.deepEqual(
      [start.data.scheduleId, start.data.occurrence, start.data.end, start.data.last],
      ['web', iso(BEGIN + HOUR), iso(BEGIN + 2 * HOUR), false],
    );
    await lab.until(BEGIN + 2 * HOUR);
    const [end] = await lab.comes('its end time$web');
    assert.deepEqual([end?.requestId, end?.data.last], [start.requestId, true]);
    assert.deepEqual(lab.texts(), ['done schedule app$web', 'its time$web', 'its end time$web']);
  });

  test('a recurrence goes on and on, also after a restart', async () => {
    await lab.schedule('daily', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR, recurrence: 'FREQ=DAILY;COUNT=5' });
    await lab.comes('done schedule app$daily');
    for (let day = 0; day < 5; day += 1) {
      await lab.until(BEGIN + day * 24 * HOUR + HOUR);
      await lab.comes('its time$daily', day + 1);
      await lab.stop();
      await lab.start();
      await lab.until(BEGIN + day * 24 * HOUR + 2 * HOUR);
      await lab.comes('its end time$daily', day + 1);
    }
    await lab.until(BEGIN + 24 * 24 * HOUR);
    const ends = await lab.comes('its end time$daily', 5);
    assert.equal(lab.told.length, 11);
    assert.deepEqual(
      ends.map(({ data }) => data.last),
      [false, false, false, false, true],
    );
  });

  test('many at the same moment are all told, together', async () => {
    const count = 600;
    for (let n = 0; n < count; n += 1) await lab.schedule(`s${n}`, { start: BEGIN + HOUR });
    await lab.comes('done schedule app$', count);
    let commits = 0;
    const seen = new Set<number>();
    lab.atPoint = (point) => {
      if (point === 'schedule.started.after') commits += 1;
      seen.add(lab.clock.now());
    };
    await lab.until(BEGIN + HOUR);
    await lab.comes('its time$', count);
    assert.equal(commits, count);
    assert.ok(seen.size <= 3, `in ${seen.size} moments`);
  });

  test('a wall clock that is set on is noticed within a second; what was jumped over is late, or left out', async () => {
    await lab.schedule('once', { start: BEGIN + HOUR, end: BEGIN + 9 * HOUR });
    await lab.schedule('skip', { start: BEGIN + HOUR, end: BEGIN + 9 * HOUR, missed: 'skip' });
    await lab.schedule('over', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR });
    await lab.comes('done schedule app$', 3);
    lab.set = 4 * HOUR;
    await lab.advance(1000);
    const [late] = await lab.comes('its time$once');
    assert.equal(late?.data.late, true);
    const [skipped] = await lab.comes('skipped its time$skip');
    assert.match(skipped?.text ?? '', /\$the clock was set on, or the machine slept$/);
    await lab.comes('skipped its time$over');
    assert.equal(lab.told.length, 6);
  });

  test('a wall clock that is set back starts nothing again, and lets what is to come wait', async () => {
    await lab.schedule('web', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR, recurrence: 'FREQ=DAILY;COUNT=2' });
    await lab.comes('done schedule app$web');
    await lab.until(BEGIN + HOUR + 10 * MINUTE);
    await lab.comes('its time$web');
    lab.set -= HOUR;
    await lab.until(BEGIN + HOUR);
    await lab.until(BEGIN + 2 * HOUR - MINUTE);
    assert.equal(lab.told.length, 2, 'it is 01:59 by the clock on the wall');
    await lab.until(BEGIN + 2 * HOUR);
    await lab.comes('its end time$web');
    await lab.until(BEGIN + 25 * HOUR);
    await lab.comes('its time$web', 2);
    await lab.until(BEGIN + 26 * HOUR);
    await lab.comes('its end time$web', 2);
    assert.equal(lab.told.length, 5);
  });

  test('a downtime is no reason to start twice, too late, or what is over', async () => {
    await lab.schedule('once', { start: BEGIN + HOUR, end: BEGIN + HOUR + 30 * MINUTE, recurrence: '0 * * * *' });
    await lab.schedule('skip', { start: BEGIN + HOUR, end: BEGIN + 9 * HOUR, missed: 'skip' });
    await lab.schedule('ends', { start: BEGIN + MINUTE, end: BEGIN + 2 * HOUR });
    await lab.schedule('late', { start: BEGIN + 5 * HOUR - 30_000, end: BEGIN + 9 * HOUR, missed: 'skip' });
    await lab.comes('done schedule app$', 4);
    await lab.advance(10 * MINUTE);
    await lab.comes('its time$ends');
    await lab.stop();
    lab.set = 5 * HOUR - 10 * MINUTE;
    await lab.start();
    const [end] = await lab.comes('its end time$ends');
    assert.equal(end?.data.occurrence, iso(BEGIN + MINUTE));
    const [once] = await lab.comes('its time$once');
    assert.equal(once?.data.occurrence, iso(BEGIN + 5 * HOUR));
    const [passed] = await lab.comes('skipped its time$once');
    assert.match(passed?.text ?? '', /the platform was stopped then, and 3 before it$/);
    await lab.comes('skipped its time$skip');
    const [late] = await lab.comes('its time$late');
    assert.equal(late?.data.late, false, 'half a minute is in time');
    assert.equal(lab.texts().filter((text) => text.startsWith('its time$once')).length, 1);
  });

  test('an occurrence that falls into the one before is left out, or replaces it', async () => {
    const twoHours = { start: BEGIN + HOUR, end: BEGIN + 3 * HOUR, recurrence: 'FREQ=HOURLY;COUNT=3' };
    await lab.schedule('skip', twoHours);
    await lab.schedule('replace', { ...twoHours, overlap: 'replace' });
    await lab.comes('done schedule app$', 2);
    for (let hour = 1; hour < 7; hour += 1) await lab.until(BEGIN + hour * HOUR);
    await lab.comes('its end time$replace', 3);
    await lab.comes('its end time$skip', 2);
    const of = (name: string): string[] =>
      lab.told
        .filter(({ text }) => text.includes(`$${name}`))
        .map(({ text, data }) => `${text.split('$')[0]} ${String(data.occurrence).slice(11, 13)}`)
        .slice(1);
    assert.deepEqual(of('skip'), [
      'its time 01',
      'skipped its time 02',
      'its end time 01',
      'its time 03',
      'its end time 03',
    ]);
    assert.deepEqual(of('replace'), [
      'its time 01',
      'its end time 01',
      'its time 02',
      'its end time 02',
      'its time 03',
      'its end time 03',
    ]);
    const replaced = lab.told.filter(({ text }) => text === 'its end time$replace').map(({ data }) => data.replaced);
    assert.deepEqual(replaced, [true, true, false]);
  });

  test('paused it starts nothing, and ends what runs; resumed it goes on with the next', async () => {
    await lab.schedule('web', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR, recurrence: 'FREQ=HOURLY;INTERVAL=3' });
    await lab.comes('done schedule app$web');
    await lab.until(BEGIN + HOUR);
    await lab.comes('its time$web');
    assert.equal(await lab.patch('web', true), 200);
    await lab.until(BEGIN + 9 * HOUR);
    await lab.comes('its end time$web');
    assert.equal(await lab.patch('web', false), 200);
    const [skipped] = await lab.comes('skipped its time$web');
    assert.match(skipped?.text ?? '', /the schedule was paused, and 1 before it/);
    assert.equal(lab.told.length, 4);
    await lab.until(BEGIN + 10 * HOUR);
    const starts = await lab.comes('its time$web', 2);
    assert.equal(starts[1]?.data.occurrence, iso(BEGIN + 10 * HOUR));
    assert.equal(await lab.patch('nothing', true), 404);
  });

  test('what is deleted is not told any more, nor brought back by a message that comes late', async () => {
    const unschedule = (id: string): Promise<void> =>
      lab.send(`delete ${id}`, `unschedule app$${id}`, id, { scheduleId: id });
    await lab.schedule('gone', {});
    await lab.comes('done schedule app$gone');
    await unschedule('gone');
    await unschedule('unborn');
    await lab.schedule('unborn', {});
    await lab.schedule('kept', {});
    await lab.schedule('kept', {});
    await lab.comes('done schedule app$kept');
    await lab.until(BEGIN + HOUR);
    await lab.comes('its time$kept');
    assert.deepEqual(lab.texts(), ['done schedule app$gone', 'done schedule app$kept', 'its time$kept']);
  });

  test('a schedule that is refused says why, and holds up no other', async () => {
    await lab.schedule('broken', { recurrence: 'FREQ=NEVER' });
    await lab.send('r1', `schedule app$past$${iso(BEGIN - HOUR)}$${iso(BEGIN - MINUTE)}`, 'past');
    await lab.send('r2', `schedule app$bare$${iso(BEGIN + HOUR)}$`, 'bare');
    await lab.send('r3', `schedule app$odd$${iso(BEGIN + HOUR)}$`, 'odd', { timezone: 5 });
    await lab.schedule('good', {});
    const [broken] = await lab.comes('error schedule$broken');
    assert.match(broken?.text ?? '', /FREQ: expected/);
    assert.match((await lab.comes('error schedule$past'))[0]?.text ?? '', /end: expected a time ahead/);
    assert.match((await lab.comes('error schedule$odd'))[0]?.text ?? '', /timezone/);
    const [bare] = await lab.comes('done schedule app$bare');
    assert.equal(bare?.data.foreign, true);
    await lab.until(BEGIN + HOUR);
    await lab.comes('its time$good');
    await lab.comes('its time$bare');
  });

  test('a commit that fails is made again, and nothing is told twice', async () => {
    await lab.schedule('web', { start: BEGIN + HOUR, end: BEGIN + 2 * HOUR });
    await lab.comes('done schedule app$web');
    let failures = 0;
    lab.atPoint = (point) => {
      if (failures >= 6 || !/(started|ended)\.(before|after)$/.test(point)) return;
      failures += 1;
      throw new Error('the disk is full');
    };
    await lab.until(BEGIN + HOUR);
    await lab.advance(10_000);
    await lab.comes('its time$web');
    await lab.until(BEGIN + 2 * HOUR);
    await lab.advance(10_000);
    await lab.comes('its end time$web');
    assert.equal(failures, 6);
    assert.equal(lab.told.length, 3);
  });

  test('through restarts and a clock that jumps, each start has one end and none comes twice', async () => {
    const chance = mulberry32(42);
    for (const [index, overlap] of (['skip', 'replace'] as const).entries()) {
      const start = BEGIN + HOUR;
      await lab.schedule(`s${index}`, {
        start,
        end: start + 50 * MINUTE,
        recurrence: 'FREQ=MINUTELY;INTERVAL=40',
        overlap,
      });
    }
    await lab.comes('done schedule app$', 2);
    for (let step = 0; step < 80; step += 1) {
      lab.set += Math.floor((chance() - (chance() < 0.2 ? 1 : 0)) * HOUR);
      await lab.advance(Math.floor(chance() * 3000));
      if (chance() >= 0.3) continue;
      await lab.stop();
      lab.set += Math.floor(chance() * 2 * HOUR);
      await lab.start();
    }
    for (const name of ['s0', 's1']) {
      await lab.patch(name, true);
      await lab.until(lab.clock.now() + 2 * HOUR);
      const of = (verb: string): string[] =>
        lab.told.filter(({ text }) => text === `${verb}$${name}`).map(({ data }) => String(data.occurrence));
      const starts = of('its time');
      assert.ok(starts.length > 10);
      assert.equal(new Set(starts).size, starts.length);
      assert.deepEqual(of('its end time'), starts);
    }
  });
});
