import type { Route } from '../../../ports/reverse-proxy.ts';
import type { Target, UpstreamSet } from './upstream-set.ts';

/** What a public port leads to at this moment. Replaced as a whole, so that no request sees half a change. */
export interface LiveRoute {
  readonly route: Route;
  /** In the order of `route.upstreams`, each once. */
  readonly targets: readonly Target[];
}

/** A public port's present route and whose turn it is there. Outlives changes of the route. */
export interface RouteHolder {
  live: LiveRoute;
  /** Counts requests; the remainder by the number of targets says who is next. */
  turn: number;
  /** True once the port is given up: answers under way are the last of their connections. */
  closing: boolean;
}

export interface ForwardOptions {
  connectTimeoutMs: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
}

export interface ForwardContext extends ForwardOptions {
  upstreams: UpstreamSet;
  log: (line: string) => void;
}

export function toLive(route: Route, upstreams: UpstreamSet): LiveRoute {
  return { route, targets: [...new Set(route.upstreams.map((upstream) => upstreams.use(upstream)))] };
}

/** The next target in turn that is not among `tried`, or null. */
export function pickNext(context: ForwardContext, holder: RouteHolder, tried: readonly Target[]): Target | null {
  const target = context.upstreams.pick(holder.live.targets, holder.turn, tried);
  holder.turn = (holder.turn + 1) % 0x3fff_ffff;
  return target;
}
