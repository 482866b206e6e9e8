import type { Route } from '../../../ports/reverse-proxy.ts';
import { problemWithName } from './render.ts';
import { SPARE_BODY_BYTES } from './spare-conf.ts';

/**
 * Ports that NGINX listens on for routes to come. With its Lua module such a route is live as soon as NGINX is told whose
 * port it is; its own file, and the reload that reads it, follow. Each takes one connection of every worker.
 */
const SPARE_PORTS = 16;
/** Apps get their ports one after the other, so spare ones are at most so far from the highest. */
const NEAR = 256;

/** Those beyond all routes that are spare now, and as many of the next ones as are missing. */
export function renewSpares(options: {
  current: readonly number[];
  routes: readonly Route[];
  /** Whether something else of the machine has the port, or is to have it. */
  taken: (port: number) => boolean;
  /** How many more ports NGINX has connections for. */
  room: number;
}): number[] {
  const { current, routes, taken } = options;
  const count = Math.max(0, Math.min(SPARE_PORTS, options.room));
  if (routes.length === 0) return [];
  const highest = routes.reduce((most, { publicPort }) => Math.max(most, publicPort), 0);
  const near = (port: number): boolean => port > highest && port <= highest + NEAR;
  const spares = current.filter((port) => near(port) && !taken(port)).slice(0, count);
  const last = Math.min(highest + NEAR, 65_535);
  for (let port = Math.max(highest, ...spares) + 1; spares.length < count && port <= last; port += 1) {
    if (!taken(port)) spares.push(port);
  }
  return spares;
}

/**
 * The ports of those routes that can be live at a spare one, by name; null when NGINX has to read its files for what is
 * wanted. `live`: what NGINX has read, by name.
 */
export function earlyPorts(
  routes: readonly Route[],
  live: ReadonlyMap<string, Route>,
  spares: readonly number[],
): Map<string, number> | null {
  const early = new Map<string, number>();
  let stayed = 0;
  for (const { name, publicPort, maxBodyBytes } of routes) {
    const before = live.get(name);
    if (before) {
      if (before.publicPort !== publicPort || before.maxBodyBytes !== maxBodyBytes) return null;
      stayed += 1;
      continue;
    }
    if (!spares.includes(publicPort) || maxBodyBytes !== SPARE_BODY_BYTES || problemWithName(name)) return null;
    early.set(name, publicPort);
  }
  return stayed === live.size ? early : null;
}

/** The line that tells NGINX whose the spare ports are. */
export function portsLine(ports: ReadonlyMap<string, number>): string {
  return `ports\t${[...ports].map(([name, port]) => `${port} ${name}`).join(',') || '-'}`;
}
