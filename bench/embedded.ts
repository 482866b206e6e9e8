import { benchBus } from './bus.ts';
import { benchClone } from './clone.ts';
import { benchDeploy } from './deploy.ts';
import { type Figure, figure } from './figures.ts';
import { benchMemory } from './memory.ts';
import { benchProxy, type Side } from './proxy.ts';
import { benchRestart } from './restart.ts';

export interface BenchOptions {
  /** Fewer rounds and shorter waits, for trying out. */
  quick: boolean;
}

export type Bench = (options: BenchOptions) => Promise<Figure[]>;

/** The figures of the platform in one process, each by itself. */
export const EMBEDDED: Record<string, Bench> = {
  deploy: benchDeploy,
  restart: benchRestart,
  memory: benchMemory,
  bus: benchBus,
  proxy: proxyFigures,
  clone: benchClone,
};

/** The built-in proxy beside its upstream alone. `proxy.ts` takes the medians over its rounds itself. */
export async function proxyFigures(): Promise<Figure[]> {
  const { upstreamAlone, throughProxy, rounds, connections, ratio } = await benchProxy();
  const once = (value: number) => ({
    samples: rounds,
    median: value,
    p95: null,
    p99: null,
    min: null,
    max: null,
  });
  const both = (pick: (side: Side) => number) => ({
    ours: once(pick(throughProxy)),
    reference: { what: 'the upstream alone', measured: once(pick(upstreamAlone)) },
  });
  const { requests, failed } = throughProxy;
  return [
    figure({
      name: 'requests through the built-in proxy',
      unit: '1/s',
      ...both((side) => side.requestsPerSecond),
      notes: [
        `${connections} connections, kept alive; ${failed} of ${requests} requests failed`,
        `the median of the rounds' own ratios is ${ratio.toFixed(3)}`,
      ],
    }),
    figure({ name: '  latency, p50', unit: 'ms', ...both((side) => side.p50Ms) }),
    figure({ name: '  latency, p99', unit: 'ms', ...both((side) => side.p99Ms) }),
  ];
}
