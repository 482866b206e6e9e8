import type { Route } from '../../../src/ports/reverse-proxy.ts';
import { reverseProxyContract } from '../reverse-proxy.contract.ts';
import { builtInLab } from './reverse-proxy-lab.ts';

/** Adds and changes routes but never removes one. */
reverseProxyContract('keeps routes', {
  changes: 10,
  create: () =>
    builtInLab((proxy) => {
      const kept = new Map<number, Route>();
      return {
        apply(routes) {
          const ports = new Set(routes.map((route) => route.publicPort));
          const old = [...kept.values()].filter((route) => !ports.has(route.publicPort));
          // Under other names, so that they do not stand in the way of new routes.
          for (const route of routes) kept.set(route.publicPort, { ...route, name: `kept-${route.publicPort}` });
          return proxy.apply([...routes, ...old]);
        },
      };
    }),
});
