import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock, Timer } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';
import type { Log } from '../../../ports/log.ts';
import type { ApplyResult, ReverseProxy, Route } from '../../../ports/reverse-proxy.ts';
import { createControl } from './control.ts';
import { createDrainWatch } from './drain-watch.ts';
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
  /** How long other changes may join one that NGINX was told, before it is in its files, too. Default 1 s. */
  filesAfterMs?: number;
}

/**
 * NGINX on the balancer's machine, through its Host alone: one file per route in NGINX's folder, which stays when the
 * proxy is closed. Replicas of a route change without a reload where NGINX has the Lua module.
 */
export function createNginxProxy(options: NginxProxyOptions): ReverseProxy {
  const { host, clock, log } = options;
  const confDir = options.confDir ?? '/etc/nginx/conf.d';
  const mainFile = options.mainFile ?? '/etc/nginx/nginx.conf';
  const program = options.program ?? '/usr/sbin/nginx';
  const machine = createMachine({ host, clock, confDir, mainFile, program });
  const control = createControl(host, machine, clock);
  const keeper = createKeeper({
    ...{ machine, control, clock, log, confDir, mainFile, program },
    controlPort: options.controlPort ?? 1989,
  });
  const drains = createDrainWatch({ machine, clock, log, keeper });
  const lookEveryMs = options.lookEveryMs ?? 5000;
  /** Of the last call. */
  let wanted: Route[] = [];
  /** Of the last call that was brought about, or was tried to be; null before the first. */
  let brought: Route[] | null = null;
  let queued: Promise<ApplyResult> | null = null;
  let idle: Promise<void> = Promise.resolve();
  let closed = false;
  let timer: Timer | null = null;
  let trouble = '';
  /** Whether NGINX was told what is not in its files yet. */
  let behind = false;

  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = idle.then(work);
    idle = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async function keep(routes: readonly Route[]): Promise<ApplyResult> {
    const result = await keeper.keep(routes);
    behind = false;
    return result;
  }

  /** At once where NGINX can be told; its files follow soon. */
  async function bring(routes: Route[]): Promise<ApplyResult> {
    brought = routes;
    const told = await keeper.tell(routes);
    if (told === null) return keep(routes);
    if (!behind) lookIn(options.filesAfterMs ?? 1000);
    behind = true;
    return told;
  }

  function lookIn(ms: number): void {
    timer?.cancel();
    if (!closed) timer = clock.after(ms, look, { background: true });
  }

  /** NGINX and its files as they were left, whatever happened to them. */
  async function look(): Promise<void> {
    try {
      await exclusive(async () => brought && !closed && (await keep(brought)));
      if (trouble !== '') log.info({ machine: host.name }, 'NGINX can be cared for again');
      trouble = '';
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== trouble) log.warn({ machine: host.name, reason }, 'NGINX cannot be cared for at the moment');
      trouble = reason;
    }
    lookIn(lookEveryMs);
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
        return bring(wanted);
      });
      if (timer === null) lookIn(lookEveryMs);
      return queued;
    },
    drained: (upstream, deadlineMs) => drains.drained(upstream, deadlineMs),
    async portFree(port) {
      if (port === keeper.controlPort) return false;
      for (const route of keeper.live.values()) if (route.publicPort === port) return true;
      return keeper.spares.includes(port) || host.portFree(port);
    },
    async close() {
      closed = true;
      timer?.cancel();
      await idle;
      if (!behind || !brought) return;
      await keep(brought).catch((error) =>
        log.warn({ machine: host.name, reason: messageOf(error) }, 'NGINX’s files are not as wanted'),
      );
    },
  };
}
