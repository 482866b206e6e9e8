import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { AvkError } from '../../src/domain/errors.ts';
import type { SagaDefinition, StepTools } from '../../src/kernel/saga-definition.ts';
import { readSaga, type SagaRow } from '../../src/kernel/saga-store.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { eventually } from './eventually.ts';
import { type KernelLab, kernelLab, type LabService, type LabTables } from './kernel-lab.ts';

export interface DeployContext {
  attempt: number;
  node: string;
  endpoint: string;
}

/** The world outside the database: what steps change there, by instance. */
export interface World {
  running: Map<string, string>;
  registered: Set<string>;
  /** What was done and taken back, in order. */
  log: string[];
}

/** What a test puts in place of a step's work; absent means that it works. */
export interface Behaviour {
  answer?: (attempt: number) => string | null;
  build?: (context: DeployContext, tools: StepTools) => Promise<void>;
  register?: (context: DeployContext, tools: StepTools) => Promise<void>;
  undoStart?: () => Promise<void>;
  deadlineMs?: number;
}

/** A deployment in small: ask for a node, build, start, register. */
function deployment(world: World, behaviour: () => Behaviour): SagaDefinition<DeployContext, LabTables> {
  const deadlineMs = (): number => behaviour().deadlineMs ?? 20_000;
  const recover = (error: AvkError, context: DeployContext) =>
    error.code === 'AVK_HOST_UNREACHABLE' && context.attempt < 2
      ? { step: 'place', context: { attempt: context.attempt + 1 } }
      : null;
  return {
    kind: 'deploy',
    steps: [
      {
        name: 'place',
        deadlineMs,
        async enter(unit, context, saga) {
          unit.send('NodeManager', 'give best node', { name: saga.subject }, saga.requestId, {
            attempt: context.attempt,
          });
        },
        answer: {
          verb: 'ans-node',
          accept(_context, message) {
            const node = 'node' in message.fields ? message.fields.node : '';
            if (node === 'none') throw new AvkError('AVK_NO_NODE', 'no machine can take it', { retryable: false });
            return { node };
          },
        },
        async undo(_context, { saga }) {
          world.log.push(`undo place ${saga.subject}`);
        },
      },
      {
        name: 'build',
        deadlineMs,
        async run(context, tools) {
          world.log.push(`build ${tools.saga.subject}`);
          await behaviour().build?.(context, tools);
          return {};
        },
        recover,
      },
      {
        name: 'start',
        deadlineMs,
        async run(context, { saga }) {
          world.log.push(`start ${saga.subject}`);
          world.running.set(saga.subject, context.node);
          return {};
        },
        async undo(_context, { saga }) {
          await behaviour().undoStart?.();
          world.log.push(`undo start ${saga.subject}`);
          world.running.delete(saga.subject);
        },
      },
      {
        name: 'register',
        deadlineMs,
        async run(context, tools) {
          world.log.push(`register ${tools.saga.subject}`);
          world.registered.add(tools.saga.subject);
          await behaviour().register?.(context, tools);
          return { endpoint: `${context.node}:1` };
        },
        async undo(_context, { saga }) {
          world.log.push(`undo register ${saga.subject}`);
          world.registered.delete(saga.subject);
        },
      },
    ],
    async onDone(unit, context, saga) {
      await note(unit.tx, `${saga.subject} done ${context.endpoint}`);
      unit.send('first_topic', 'done deployed', { name: saga.subject, endpoint: context.endpoint }, saga.requestId);
    },
    async onFailed(unit, _context, saga, failure) {
      const how = failure.cancelled ? 'cancelled' : 'failed';
      await note(unit.tx, `${saga.subject} ${how} in ${failure.step}: ${failure.code}: ${failure.reason}`);
    },
  };
}

function note(tx: LabService['database']['read'], text: string): Promise<unknown> {
  return tx
    .insertInto('acts')
    .values({ act: text } as { id: null; act: string })
    .execute();
}

export interface SagaLab {
  kernel: KernelLab;
  world: World;
  behaviour: Behaviour;
  /** The service as it runs now. */
  service(): LabService;
  /** Journal points in the order they were passed. */
  points: string[];
  /** Called at each journal point of the present service. */
  atPoint: ((point: string) => void) | null;
  /** Begins one, and returns its subject. */
  begin(): Promise<string>;
  cancel(subject: string): Promise<boolean>;
  /** Ends the process as a crash does, and starts it again. */
  crash(): void;
  /** `between`: after messages are delivered again, before the sagas go on. */
  restart(between?: () => Promise<void>): Promise<void>;
  row(subject: string): Promise<SagaRow>;
  /** Waits until it is over, and returns the one thing that its end noted. */
  end(subject: string): Promise<string>;
  /** The journal, e.g. `place entered`. */
  journal(subject: string): Promise<string[]>;
  cleanup(): Promise<void>;
}

export async function sagaLab(seed: number, clock?: Clock): Promise<SagaLab> {
  const kernel = await kernelLab(seed);
  const world: World = { running: new Map(), registered: new Set(), log: [] };
  const nodes = await kernel.service({ service: 'node-manager', listens: ['NodeManager'] });
  nodes.messenger.onCommand('give best node', async (unit, message) => {
    const attempt = Number(message.data.attempt);
    const node = lab.behaviour.answer ? lab.behaviour.answer(attempt) : `node-${attempt}`;
    if (node !== null) unit.send('DeploymentManager', 'ans-node', { node }, message.requestId);
  });
  await nodes.messenger.start();
  let service = await startService();

  async function startService(): Promise<LabService> {
    const started = await kernel.service({
      ...(clock ? { clock } : {}),
      onJournal(point) {
        lab.points.push(point);
        lab.atPoint?.(point);
      },
    });
    started.sagas.define(deployment(world, () => lab.behaviour));
    return started;
  }

  async function run(between?: () => Promise<void>): Promise<void> {
    await service.messenger.start();
    await between?.();
    await service.sagas.start();
  }

  const lab: SagaLab = {
    kernel,
    world,
    behaviour: {},
    service: () => service,
    points: [],
    atPoint: null,
    async begin() {
      const subject = `app-${randomUUID().slice(0, 8)}`;
      // Not awaited to its end: the process may crash in it.
      await service.messenger.transaction((unit) =>
        service.sagas.begin<DeployContext>(
          unit,
          'deploy',
          { id: subject, subject, requestId: `request-${subject}` },
          { attempt: 0, node: '', endpoint: '' },
        ),
      );
      return subject;
    },
    cancel: (subject) =>
      service.messenger.transaction((unit) => service.sagas.cancel(unit, 'deploy', subject, 'the user asked for it')),
    crash: () => service.crash(),
    async restart(between) {
      service = await startService();
      await run(between);
    },
    async row(subject) {
      const row = await readSaga(service.database.read as never, subject);
      assert.ok(row);
      return row;
    },
    async end(subject) {
      await eventually(async () => !['running', 'compensating'].includes((await lab.row(subject)).state));
      const acts = (await service.acts()).filter((act) => act.startsWith(subject));
      assert.equal(acts.length, 1, `it ended more than once: ${acts}`);
      return (acts[0] ?? '').slice(subject.length + 1);
    },
    async journal(subject) {
      const rows = await service.database.read
        .selectFrom('saga_journal')
        .selectAll()
        .where('saga_id', '=', subject)
        .orderBy('position')
        .execute();
      return rows.map((row) => `${row.step} ${row.event}`);
    },
    async cleanup() {
      await service.messenger.stop();
      await service.sagas.stop();
      await nodes.messenger.stop();
      await kernel.cleanup();
    },
  };
  await run();
  return lab;
}
