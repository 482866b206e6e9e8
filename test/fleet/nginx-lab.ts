import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createNginxProxy, type NginxProxyOptions } from '../../src/adapters/reverse-proxy/nginx/proxy.ts';
import type { Log } from '../../src/ports/log.ts';
import type { Route } from '../../src/ports/reverse-proxy.ts';
import type { ReverseProxyLab } from '../contracts/reverse-proxy.contract.ts';
import { ask, startUpstream, type TestUpstream } from '../contracts/reverse-proxy.support.ts';
import { eventually } from '../support/eventually.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

export interface NginxLab extends ReverseProxyLab {
  proxy: ReturnType<typeof createNginxProxy>;
  publicHost: string;
  upstreamHost: string;
  freePort: () => Promise<number>;
  holdPort: (port: number) => Promise<{ port: number; release: () => Promise<void> }>;
  /** What was logged: sentence and fields. */
  said: string[];
}

let nextPort = 2000;

/** NGINX on a VM of a fleet, over SSH. `gateway`: this machine's address, as the VM sees it. */
export async function createNginxLab(
  vm: FleetVm,
  gateway: string,
  changes: Partial<NginxProxyOptions> = {},
): Promise<NginxLab> {
  const { host, cleanup } = await createSshLab(vm);
  const said: string[] = [];
  const say = (fields: object, sentence: string): void => void said.push(`${sentence} ${JSON.stringify(fields)}`);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const proxy = createNginxProxy({ host, clock: systemClock, log, ...changes });
  return {
    proxy,
    publicHost: vm.address,
    upstreamHost: gateway,
    said,
    async freePort() {
      for (;;) {
        const port = nextPort++;
        if (await host.portFree(port)) return port;
      }
    },
    async holdPort(port) {
      const pidFile = `/tmp/holds-${port}`;
      const holding = vm.exec(['sh', '-c', `echo $$ > ${pidFile}; exec busybox nc -ll -p ${port} -e /bin/true`]);
      await eventually(async () => !(await host.portFree(port)));
      return {
        port,
        async release() {
          await vm.exec(['sh', '-c', `kill -9 $(cat ${pidFile})`]);
          await holding;
        },
      };
    },
    async cleanup() {
      await proxy.close();
      await cleanup();
    },
  };
}

/**
 * The same, where each route is at a spare port of NGINX's: `ground` is live beforehand, and files stay as they are for
 * as long as NGINX can be told what is wanted.
 */
export async function createSpareLab(vm: FleetVm, gateway: string): Promise<NginxLab> {
  const lab = await createNginxLab(vm, gateway, { filesAfterMs: 600_000, lookEveryMs: 600_000 });
  const { proxy } = lab;
  const ground: Route = { name: 'ground', publicPort: await lab.freePort(), upstreams: [], maxBodyBytes: 0, note: '' };
  await proxy.apply([ground]);
  return {
    ...lab,
    proxy: { ...proxy, apply: (routes) => proxy.apply([ground, ...routes]) },
    async freePort() {
      for (;;) {
        const port = nextPort++;
        if (await proxy.portFree(port)) return port;
      }
    },
    holdPort: (port) => lab.holdPort(port + BEYOND_SPARES),
  };
}

/** So far from a live port that NGINX does not keep it ready for a route to come. */
export const BEYOND_SPARES = 300;

/** Takes the Lua module out of a VM's NGINX. */
export async function withoutLua(vm: FleetVm): Promise<void> {
  await vm.exec(['sh', '-c', 'rm -f /etc/nginx/modules-enabled/*lua*.conf']);
}

export const CONF = '/etc/nginx/conf.d';

/** For one test, looking often. */
export async function startLab(
  t: TestContext,
  vm: FleetVm,
  gateway: string,
  options: Partial<NginxProxyOptions>,
): Promise<NginxLab> {
  const lab = await createNginxLab(vm, gateway, { lookEveryMs: 300, ...options });
  t.after(lab.cleanup);
  return lab;
}

export async function startApp(t: TestContext, gateway: string): Promise<TestUpstream> {
  const upstream = await startUpstream({ ip: gateway });
  t.after(() => upstream.close());
  return upstream;
}

export const url = (vm: FleetVm, port: number): string => `http://${vm.address}:${port}/`;

export async function text(vm: FleetVm, port: number): Promise<string> {
  return (await ask(url(vm, port))).body.toString();
}

/** What a shell of root's on the VM prints. */
export async function shell(vm: FleetVm, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await vm.exec(['sh', '-c', script]);
  assert.equal(exitCode, 0, `${script}: ${stderr}`);
  return stdout;
}

/** Puts a file of somebody else's; it goes with the test. */
export async function foreign(t: TestContext, vm: FleetVm, path: string, content: string): Promise<void> {
  await vm.exec(['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'sh', path], { stdin: content });
  t.after(() => vm.exec(['rm', '-f', path]));
}

/** How often NGINX was told to read its files. */
export function readAnew(lab: NginxLab): number {
  return lab.said.filter((line) => line.startsWith('NGINX has read')).length;
}
