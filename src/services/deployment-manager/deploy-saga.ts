import { z } from 'zod';
import { AvkError, asAvkError, type ErrorCode, MACHINE_ERRORS } from '../../domain/errors.ts';
import { type Doing, reasonAt } from '../../domain/failure-reason.ts';
import { instanceSpecSchema } from '../../domain/instance.ts';
import { parseNodeAnswer } from '../../domain/message.ts';
import { replicaName } from '../../domain/names.ts';
import type { Message, Unit } from '../../kernel/messenger.ts';
import { ensureImage, type ReplicaDeps, startDeadlineMs, startReplica, waitHealthy } from '../../kernel/replica.ts';
import type { SagaDefinition, SagaRef } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { BuildLogs } from './build-logs.ts';
import type { NodeWork } from './node-work.ts';
import type { DeploymentManagerTables } from './store.ts';

/** What a deployment knows on its way; journaled after every step. */
export const deployContextSchema = z.object({
  spec: instanceSpecSchema,
  /** The first replica's id, chosen before anything is started so that a crash cannot make a second one. */
  replicaId: z.string(),
  /** First replicas that may have been started on machines that did not answer any more; they are to be gone. */
  left: z.array(z.object({ id: z.string(), node: z.string() })).default([]),
  /** Rises when a machine or port turned out to be unusable and another is asked for. */
  attempt: z.int().default(0),
  /** Machines on which it failed so far; others are asked for as long as one of them can take it. */
  avoid: z.array(z.string()).default([]),
  node: z.string().default(''),
  nodeIp: z.string().default(''),
  hostPort: z.int().default(0),
  placementReason: z.string().default(''),
  containerId: z.string().default(''),
  address: z.object({ ip: z.string(), port: z.int() }).nullable().default(null),
  /** `IP:PORT` that users are given. */
  endpoint: z.string().default(''),
});
export type DeployContext = z.infer<typeof deployContextSchema>;

export interface DeploySagaDeps {
  client: ServiceClient;
  replica: (node: string) => ReplicaDeps;
  builds: BuildLogs;
  work: NodeWork;
  buildDeadlineMs: number;
}

const PLACE_DEADLINE_MS = 30_000;
const REGISTER_DEADLINE_MS = 30_000;
/** On top of the app's own time to become healthy: waiting for a turn, starting the process. */
const START_MARGIN_MS = 120_000;
const MOST_ATTEMPTS = 3;
/** A port that another program holds costs next to nothing to find out, and such ports often lie side by side. */
const MOST_PORTS = 25;

type T = DeploymentManagerTables;

/** The starting document's chain: ask for a node, build there, run the first instance, register it, report. */
export function deploySaga(deps: DeploySagaDeps): SagaDefinition<DeployContext, T> {
  /** The load balancer removes them wherever they turn up. */
  async function retire(replicas: DeployContext['left'], signal: AbortSignal): Promise<void> {
    if (replicas.length === 0) return;
    await deps.client.call('load-balancer', 'POST', '/retired', {
      body: { replicas },
      signal,
      deadlineMs: REGISTER_DEADLINE_MS,
    });
  }

  return {
    kind: 'deploy',
    steps: [
      {
        name: 'place',
        deadlineMs: () => PLACE_DEADLINE_MS,
        async enter(unit, context, saga) {
          progress(unit, saga, 'placing');
          unit.send('NodeManager', 'give best node', { name: saga.subject }, saga.requestId, {
            attempt: context.attempt,
            avoid: context.avoid,
            resources: context.spec.manifest.resources,
          });
        },
        answer: { verb: 'ans-node', accept: (_context, message) => placed(message as Message<'ans-node'>) },
        undo: (context, { signal }) => retire(context.left, signal),
      },
      {
        name: 'build',
        deadlineMs: () => deps.buildDeadlineMs,
        async enter(unit, context, saga) {
          progress(unit, saga, 'building', { node: context.node, reason: context.placementReason });
        },
        async run(context, { signal, saga }) {
          await retire(context.left, signal);
          await deps.work.building(context.node, signal, () =>
            deps.builds.record(saga.subject, context.spec.image, (log) =>
              ensureImage(deps.replica(context.node), context.spec, { signal, log }),
            ),
          );
          return {};
        },
        recover: tryElsewhere,
      },
      {
        name: 'start',
        deadlineMs: (context) => startDeadlineMs(context.spec) + START_MARGIN_MS,
        async enter(unit, context, saga) {
          progress(unit, saga, 'starting', { node: context.node });
        },
        async run(context, { signal }) {
          const replica = deps.replica(context.node);
          const place = { id: context.replicaId, number: 1, node: context.node, hostPort: context.hostPort };
          return deps.work.starting(context.node, signal, async () => {
            const info = await startReplica(replica, context.spec, place, signal);
            await waitHealthy(replica, context.spec, info, signal);
            return { containerId: info.containerId, address: info.address };
          });
        },
        async undo(context, { signal }) {
          try {
            await deps.replica(context.node).runtime.remove(context.replicaId);
          } catch (error) {
            if (!MACHINE_ERRORS.includes(asAvkError(error).code)) throw error;
            await retire([{ id: context.replicaId, node: context.node }], signal);
          }
        },
        recover: leave,
      },
      {
        name: 'register',
        deadlineMs: () => REGISTER_DEADLINE_MS,
        async enter(unit, context, saga) {
          progress(unit, saga, 'routing', { node: context.node });
        },
        async run(context, { signal }) {
          const body = {
            appName: context.spec.instance,
            imageName: context.spec.image,
            vmIp: context.nodeIp,
            containerId: context.containerId,
            containerPort: context.spec.manifest.port,
            hostPort: context.hostPort,
            node: context.node,
            replicaId: context.replicaId,
            address: context.address,
            placement: context.placementReason,
            spec: context.spec,
          };
          const endpoint = await deps.client.call('load-balancer', 'POST', '/registerApp', {
            body,
            signal,
            deadlineMs: REGISTER_DEADLINE_MS,
          });
          return { endpoint: String(endpoint) };
        },
        async undo(context, { signal }) {
          const { instance, generation } = context.spec;
          const query = new URLSearchParams({ appName: instance, generation: String(generation), keepImage: 'true' });
          await deps.client.call('load-balancer', 'POST', `/deregisterApp?${query}`, { signal, deadlineMs: 60_000 });
        },
      },
    ],
    async onDone(unit, context, saga) {
      const { subject: name, requestId } = saga;
      unit.send('first_topic', 'done deployed', { name, endpoint: context.endpoint }, requestId, details(context));
    },
    async onFailed(unit, context, saga, failure) {
      const { subject: name, requestId } = saga;
      unit.send('first_topic', 'error deploy', { name, reason: reasonOf(failure, context) }, requestId, {
        ...details(context),
        code: failure.code,
        step: failure.step,
        cancelled: failure.cancelled,
        lastLogLines: failure.lastLogLines,
      });
    },
  };
}

const DOING: Record<string, Doing> = {
  place: 'placing',
  build: 'building',
  start: 'starting',
  register: 'registering',
};

function reasonOf(
  { step, reason, cancelled }: { step: string; reason: string; cancelled: boolean },
  context: DeployContext,
): string {
  const doing = DOING[step];
  if (cancelled || !doing) return reason;
  // While it is looked for a machine, the one before did not do.
  return reasonAt(doing, step === 'place' ? '' : context.node, reason);
}

function placed(message: Message<'ans-node'>): Partial<DeployContext> {
  const answer = parseNodeAnswer(message.fields.node);
  const reason = typeof message.data.reason === 'string' ? message.data.reason : '';
  if ('error' in answer) throw new AvkError(answer.error, reason, { retryable: false });
  return { node: answer.node_name, nodeIp: answer.node_ip, hostPort: answer.port, placementReason: reason };
}

/** Errors that are the machine's or the port's, not the app's: another may do. */
const ELSEWHERE: readonly ErrorCode[] = [...MACHINE_ERRORS, 'AVK_PORT_TAKEN', 'AVK_IMAGE_MISSING', 'AVK_DISK_FULL'];
/** Of these, what the same machine would most likely say again. */
const LASTING: readonly ErrorCode[] = [...MACHINE_ERRORS, 'AVK_DISK_FULL'];

function tryElsewhere(
  error: AvkError,
  context: DeployContext,
): { step: string; context: Partial<DeployContext> } | null {
  const most = error.code === 'AVK_PORT_TAKEN' ? MOST_PORTS : MOST_ATTEMPTS;
  if (!ELSEWHERE.includes(error.code) || context.attempt + 1 >= most) return null;
  const { avoid, node } = context;
  const failedHere = LASTING.includes(error.code) && !avoid.includes(node);
  return { step: 'place', context: { attempt: context.attempt + 1, avoid: failedHere ? [...avoid, node] : avoid } };
}

/** On to another machine, with an id of its own: the one here may be running, which cannot be seen. */
function leave(error: AvkError, context: DeployContext): { step: string; context: Partial<DeployContext> } | null {
  const next = tryElsewhere(error, context);
  if (!next || !MACHINE_ERRORS.includes(error.code)) return next;
  const { replicaId, node, left } = context;
  const id = `${replicaId.split('.')[0]}.${context.attempt + 1}`;
  return { ...next, context: { ...next.context, replicaId: id, left: [...left, { id: replicaId, node }] } };
}

function progress(unit: Unit<T>, saga: SagaRef, state: string, data: Record<string, unknown> = {}): void {
  unit.send('first_topic', 'progress deploy', { name: saga.subject, state }, saga.requestId, data);
}

/** "All the app and vm details to be worked upon later", as the starting document has it. */
function details(context: DeployContext): Record<string, unknown> {
  const { spec } = context;
  return {
    app: {
      name: spec.instance,
      appName: spec.appName,
      version: spec.version,
      generation: spec.generation,
      image: spec.image,
      containerPort: spec.manifest.port,
    },
    vm: { name: context.node, ip: context.nodeIp, hostPort: context.hostPort, reason: context.placementReason },
    replica: {
      id: context.replicaId,
      name: replicaName(spec.instance, 1),
      containerId: context.containerId,
    },
  };
}
