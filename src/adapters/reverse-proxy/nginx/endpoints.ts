import { randomBytes } from 'node:crypto';
import type { Route } from '../../../ports/reverse-proxy.ts';
import type { Control, Running } from './control.ts';
import { endpointLine } from './render.ts';
import type { ControlSpec, Variant } from './shared-text.ts';
import { portsLine } from './spare.ts';

/** Tells NGINX's workers which replicas there are, without a reload. */
export interface Endpoints {
  /**
   * Says what they have not heard yet; nothing without the module. `routes`: all that are live; `ports`: the spare ones
   * that are some route's, by its name.
   */
  say(
    at: ControlSpec,
    running: Running,
    variant: Variant,
    routes: readonly Route[],
    ports: ReadonlyMap<string, number>,
  ): Promise<void>;
}

export function createEndpoints(control: Control): Endpoints {
  const heard = new Map<string, string>();
  let heardPorts = '';
  let revision: string | null = null;
  return {
    async say(at, running, variant, routes, ports) {
      if (variant !== 'lua') return;
      const wanted = new Map(routes.map((route) => [route.name, endpointLine(route)]));
      // Another revision, or none: NGINX was started anew, or another platform's process spoke last.
      const known = revision !== null && running.revision === revision;
      if (!known) heard.clear();
      const lines = [...wanted].filter(([name, line]) => heard.get(name) !== line).map(([, line]) => line);
      if (known) for (const name of heard.keys()) if (!wanted.has(name)) lines.push(`forget\t${name}`);
      const owners = portsLine(ports);
      if (!known || owners !== heardPorts) lines.push(owners);
      if (known && lines.length === 0) return;
      if (!known) lines.push('only\tthese');
      const next = randomBytes(8).toString('hex');
      await control.change(at, [...lines, `revision\t${next}`]);
      revision = next;
      heardPorts = owners;
      heard.clear();
      for (const [name, line] of wanted) heard.set(name, line);
    },
  };
}
