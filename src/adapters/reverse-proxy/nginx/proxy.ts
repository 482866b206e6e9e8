import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock, Timer } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';
import type { Log } from '../../../ports/log.ts';
import type { ApplyResult, ReverseProxy, Route } from '../../../ports/reverse-proxy.ts';
import { createControl } from './control.ts';
import { createDrainWatch } from './drain-watch.ts';
import { examine } from './examine.ts';
import { createKeeper } from './keeper.ts';
import { createMachine } from './machine.ts';

export interface NginxProxyOptions {
  /** The balancer's machine. Stays open when the proxy is closed. */
  host: Host;
  clock: Clock;
  log: Log;
  /** Where NGINX reads the platform's files. Default `/etc/nginx/conf.d`. */
  confDir?: string;
  /** Default `/etc/nginx/nginx.conf`. */
  mainFile?: string;
  /** Default `/usr/sbin/nginx`. */
  program?: string;
  /** Loopback port of the balancer's machine on which NGINX answers the platform. Default 1989, or one of the next that is free. */
  controlPort?: number;
  /** How often NGINX and its files are looked at. Default 5 s. */
  lookEveryMs?: number;
}

export interface NginxProxy extends ReverseProxy {
  /** What the machine lacks to be the balancer: sentences that say what to do, with the exact line. Empty: nothing. */
  examine(): Promise<string[]>;
}

/**
 * NGINX on the balancer's machine, through its Host alone: one file per route in NGINX's folder, which stays when the
 * proxy is closed. Replicas of a route change without a reload where NGINX has the Lua module.
 */
export function createNginxProxy(options: NginxProxyOptions): NginxProxy {
  const { host, clock, log } = options;
  const confDir = options.confDir ?? '/etc/nginx/conf.d';
  const mainFile = options.mainFile ?? '/etc/nginx/nginx.conf';
  const program = options.program ?? '/usr/sbin/nginx';
  const machine = createMachine({ host, clock, confDir, mainFile, program });
  const control = createControl(host, machine);
  const keeper = createKeeper({
    ...{ machine, control, clock, log, confDir, mainFile, program },
    controlPort: options.controlPort ?? 1989,
  });
  const drains = createDrainWatch({ machine, clock, log, keeper });
  let wanted: Route[] | null = null;
  let queued: Promise<ApplyResult> | null = null;
  let idle: Promise<void> = Promise.resolve();
  let closed = false;
  let timer: Timer | null = null;
  let trouble = '';

  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = idle.then(work);
    idle = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** NGINX and its files as they were left, whatever happened to them. */
  async function look(): Promise<void> {
    try {
      // Calls that wait look anyway.
      await exclusive(async () => wanted && !queued && !closed && (await keeper.keep(wanted)));
      if (trouble !== '') log.info({ machine: host.name }, 'NGINX can be cared for again');
      trouble = '';
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== trouble) log.warn({ machine: host.name, reason }, 'NGINX cannot be cared for at the moment');
      trouble = reason;
    }
    if (!closed) timer = clock.after(options.lookEveryMs ?? 5000, look, { background: true });
  }

  return {
    apply(routes) {
      if (closed) {
        const error = new AvkError('AVK_SERVICE_UNAVAILABLE', 'the proxy is closed', { retryable: false });
        return Promise.reject(error);
      }
      wanted = structuredClone([...routes]);
      // One that waits takes the newest with it, for all that asked meanwhile.
      queued ??= exclusive(() => {
        queued = null;
        return keeper.keep(wanted ?? []);
      });
      timer ??= clock.after(options.lookEveryMs ?? 5000, look, { background: true });
      return queued;
    },
    drained: (upstream, deadlineMs) => drains.drained(upstream, deadlineMs),
    async portFree(port) {
      if (port === keeper.controlPort) return false;
      for (const route of keeper.live.values()) if (route.publicPort === port) return true;
      return host.portFree(port);
    },
    examine: () =>
      exclusive(() => examine({ machine, confDir, mainFile, program, routes: wanted?.length ?? keeper.live.size })),
    async close() {
      closed = true;
      timer?.cancel();
      await idle;
    },
  };
}
