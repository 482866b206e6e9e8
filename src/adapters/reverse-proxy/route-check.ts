import { isIP } from 'node:net';
import { nameKey } from '../../domain/names.ts';
import type { ApplyResult, Route } from '../../ports/reverse-proxy.ts';

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function problemWith(route: Route): string | null {
  if (!isPort(route.publicPort)) return `${route.publicPort} is not a port`;
  if (!Number.isSafeInteger(route.maxBodyBytes) || route.maxBodyBytes < 0) {
    return `${route.maxBodyBytes} is not a number of bytes`;
  }
  const bad = route.upstreams.find((upstream) => isIP(upstream.ip) === 0 || !isPort(upstream.port));
  return bad ? `${bad.ip}:${bad.port} is not the address of an upstream` : null;
}

/** Sets aside what cannot be live together: of two routes with one name or port the first is taken. */
export function checkRoutes(routes: readonly Route[]): { accepted: Route[]; rejected: ApplyResult['rejected'] } {
  const accepted: Route[] = [];
  const rejected: ApplyResult['rejected'] = [];
  const names = new Set<string>();
  const ports = new Map<number, string>();
  for (const route of routes) {
    const key = nameKey(route.name);
    const owner = ports.get(route.publicPort);
    const reason = problemWith(route) ?? (names.has(key) ? `another route is called ${route.name}` : null);
    if (reason !== null || owner !== undefined) {
      const taken = `port ${route.publicPort} belongs to ${owner}`;
      rejected.push({ name: route.name, reason: reason ?? taken, portTaken: reason === null });
      continue;
    }
    names.add(key);
    ports.set(route.publicPort, route.name);
    accepted.push(route);
  }
  return { accepted, rejected };
}
