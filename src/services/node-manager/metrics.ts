import { NODE_STATES } from '../../domain/node.ts';
import { countsOf, gauge, type Metrics } from '../../kernel/metrics.ts';
import type { Log } from '../../ports/log.ts';
import type { Observed } from './history.ts';

/** A machine that is lost is counted, and has no figures: what it looked like last is not what it looks like. */
export function nodeMetrics(metrics: Metrics, observe: () => readonly Observed[], log: Log): void {
  const states = { name: 'avishkar_nodes', help: 'Machines by state', labels: ['state'] as const };
  gauge(
    metrics,
    states,
    () =>
      countsOf(
        NODE_STATES,
        observe().map(({ state }) => ({ state, count: 1 })),
      ),
    log,
  );

  const ratio = (part: string, help: string, percent: (node: Observed) => number): void => {
    const about = { name: `avishkar_node_${part}_ratio`, help, labels: ['node'] as const };
    const read = () =>
      observe()
        .filter(({ state }) => state !== 'lost')
        .map((node) => ({ node: node.name, value: percent(node) / 100 }));
    gauge(metrics, about, read, log);
  };
  ratio('cpu', 'Share of all cores of a machine in use, 0 to 1', (node) => node.cpuPercent);
  ratio('memory', 'Share of the memory of a machine in use, 0 to 1', (node) => node.memoryPercent);
  ratio('disk', "Share of the apps' file system of a machine in use, 0 to 1", (node) => node.diskPercent);
}
