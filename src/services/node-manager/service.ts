import { z } from 'zod';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { resourcesSchema } from '../../domain/manifest.ts';
import type { NodeRole } from '../../domain/node.ts';
import { halves } from '../../domain/ports.ts';
import type { VmEntry } from '../../domain/service-entry.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger, type Message, type Unit } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import type { Service } from '../../kernel/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import { drainRoutes, recallWishes } from './drain.ts';
import { createFleet } from './fleet.ts';
import { createNodeHistory } from './history.ts';
import { checkMachine } from './machine-check.ts';
import { nodeMetrics } from './metrics.ts';
import { chooseNode } from './placement.ts';
import { routes } from './routes.ts';
import { historyRoutes } from './routes-history.ts';
import { machineRoutes } from './routes-machines.ts';
import { type NodeManagerTables, reservePort } from './store.ts';

/*
 * The node manager owns the machines: their health (one probe per machine, read on it), their state and history, and
 * the ports it reserves for first replicas. Asked `give best node` on topic NodeManager, it answers `ans-node` on
 * topic DeploymentManager with the healthiest machine, a port and the reason. The load balancer follows its stream of
 * samples, and can do without it for a while.
 */

export interface NodeManagerDeps {
  http: HttpApp;
  database: Database<NodeManagerTables>;
  bus: MessageBus;
  clock: Clock;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  machines: Machines;
  /** The machines of the configuration; what is changed at run time is beside it. */
  configured?: readonly VmEntry[] | undefined;
  /** The machine that NGINX runs on, with where its files go; absent where the proxy is the platform's own. */
  balancer?: { name: string; confDir: string } | undefined;
}

/** Longer than any deployment takes from its placement to its container. */
const RESERVATION_MS = 60 * 60 * 1000;
/** How long a question waits for machines that do not answer; shorter than its asker does. */
const PATIENCE_MS = 20_000;
/** Names of machines on which this deployment failed before. */
const avoidSchema = z.array(z.string()).catch([]);

export function createNodeManager(deps: NodeManagerDeps): Service {
  const { database, clock, log } = deps;
  const fleet = createFleet(deps);
  const history = createNodeHistory({ database, clock, log, observe: () => fleet.view().nodes });
  const messenger = createMessenger<NodeManagerTables>({
    service: 'node-manager',
    listens: ['NodeManager'],
    from: 'NodeManager',
    database,
    bus: deps.bus,
    clock,
    log,
    metrics: deps.metrics,
  });
  let listening: Promise<void> = Promise.resolve();

  if (deps.metrics) nodeMetrics(deps.metrics, () => fleet.view().nodes, log);
  messenger.onCommand('give best node', giveBestNode);
  drainRoutes(deps.http, { fleet, database, clock });
  machineRoutes(deps.http, {
    fleet,
    machines: deps.machines,
    database,
    clock,
    log,
    configured: (name) => deps.configured?.find(({ vm_name }) => vm_name === name) ?? null,
    isBalancer: (name) => roleOf(name) === 'balancer',
    check: (machine) =>
      checkMachine({
        host: machine.host,
        clock,
        servicePath: machine.login.servicePath,
        ...(machine.host.name === deps.balancer?.name ? { balancer: { confDir: deps.balancer.confDir } } : {}),
      }),
  });
  routes(deps.http, { fleet, database, clock, machines: deps.machines, roleOf });
  historyRoutes(deps.http, { history, clock, names: () => fleet.view().nodes.map(({ name }) => name) });

  function roleOf(name: string): NodeRole {
    if (deps.machines.fixed) return 'pretended';
    return name === deps.balancer?.name ? 'balancer' : 'worker';
  }

  async function giveBestNode(unit: Unit<NodeManagerTables>, message: Message<'give best node'>): Promise<void> {
    const instance = message.fields.name;
    const resources = resourcesSchema.catch(resourcesSchema.parse({})).parse(message.data.resources ?? {});
    const chosen = chooseNode(fleet, resources, avoidSchema.parse(message.data.avoid));
    const attempt = typeof message.data.attempt === 'number' ? message.data.attempt : 0;
    const answer = (node: object, data: object): void =>
      unit.send('DeploymentManager', 'ans-node', { node: JSON.stringify(node) }, message.requestId, {
        app_name: instance,
        attempt,
        ...data,
      });
    if (chosen.node === null) {
      // A machine that is silent for the moment, or starved by many starts at once, may be back in a second.
      const silent = fleet.view().nodes.some(({ state }) => state === 'suspect' || state === 'lost');
      if (silent && clock.now() - message.sentAt < PATIENCE_MS) throw new AvkError('AVK_NO_NODE', chosen.reason);
      answer({ error: 'AVK_NO_NODE', app_name: instance }, { reason: chosen.reason });
      return;
    }
    const { node } = chosen;
    const reserved = await reservePort(unit.tx, {
      node: node.name,
      range: halves(deps.machines.get(node.name).ports).firstReplicas,
      held: fleet.heldPorts(node.name),
      instance,
      requestId: message.requestId,
      attempt,
      now: clock.now(),
      leaseMs: RESERVATION_MS,
    });
    if (reserved.port === null) {
      answer({ error: 'AVK_NO_PORT', app_name: instance }, { reason: reserved.reason });
      return;
    }
    unit.after(() => fleet.promise(node.name, resources));
    answer(
      { node_ip: node.address, port: reserved.port, app_name: instance, node_name: node.name },
      { reason: chosen.reason, score: chosen.score },
    );
  }

  return {
    name: 'node-manager',
    http: deps.http,
    async start() {
      await recallWishes(database, fleet);
      fleet.start();
      history.start();
      // Questions wait until there is something to answer them with; everything else can be asked at once.
      listening = fleet
        .settled()
        .then(() => messenger.start())
        .catch((error) => log.error({ reason: messageOf(error) }, 'the node manager does not listen'));
    },
    async stop() {
      history.stop();
      await fleet.stop();
      await listening;
      await messenger.stop();
    },
  };
}
