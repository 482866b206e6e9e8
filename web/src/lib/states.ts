import type { Instance, InstanceState, Machine } from '../api/types.ts';

/** The way to `running`, in order. */
export const STEPS: readonly InstanceState[] = ['requested', 'placing', 'building', 'starting', 'routing', 'running'];
export const isDeploying = (state: InstanceState): boolean => STEPS.indexOf(state) >= 0 && state !== 'running';
export const isEnded = (state: InstanceState): boolean => ['stopped', 'failed', 'cancelled'].includes(state);
export const isServing = (state: InstanceState): boolean => state === 'running' || state === 'degraded';

export const healthyReplicas = (instance: Instance): number =>
  instance.replicas.filter(({ state }) => state === 'healthy').length;

/** Where its replicas are; before there are any, where they are to be. */
export function machinesOf({
  replicas,
  node,
}: Pick<Instance, 'node'> & { replicas: readonly { node: string }[] }): string[] {
  const machines = replicas.length > 0 ? replicas.map((replica) => replica.node) : node === null ? [] : [node];
  return [...new Set(machines)].sort();
}

/** Whether its figures say how it is now. */
export const isKnown = ({ state, lastSeen }: Pick<Machine, 'state' | 'lastSeen'>): boolean =>
  state !== 'lost' && lastSeen !== null;

/** Above this a machine's disk wants attention; above 95 % it gets nothing new. */
export const DISK_WARNING_PERCENT = 85;
export const needsRoom = (machine: Machine): boolean => machine.diskPercent > DISK_WARNING_PERCENT;
