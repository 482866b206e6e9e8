import { type Manifest, manifestSchema } from '../../src/domain/manifest.ts';
import type { ContainerInfo, ContainerRuntime, ContainerSpec, LogLine } from '../../src/ports/container-runtime.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf } from '../support/zip.ts';
import type { DockerHarness } from './docker-harness.ts';
import type { FleetVm } from './vm.ts';

export const never = (): AbortSignal => new AbortController().signal;
export const IMAGE = 'probe:1.0.0-0a1b2c3d';

export function manifestWith(changes: Record<string, unknown> = {}): Manifest {
  return manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js', ...changes });
}

/** Answers with what it is told; `/exit` ends it, `/print?LINE` prints, `/status` is the kernel's view of it. */
export const APP = `
const { readFileSync, writeFileSync } = require('node:fs');
process.on('SIGTERM', () => process.exit(0));
require('node:http').createServer((request, response) => {
  const [path, query] = request.url.split('?');
  if (path === '/exit') process.exit(Number(query));
  if (path === '/print') console.log(decodeURIComponent(query));
  if (path === '/status') return response.end(readFileSync('/proc/self/status'));
  if (path === '/write') { for (const file of ['/app/x', '/tmp/x']) writeFileSync(file, 'x'); }
  response.end(JSON.stringify(process.env));
}).listen(process.env.PORT, () => console.log('listening'));
`;

/** Makes the image of these files; returns what the build said. */
export async function ensure(
  runtime: ContainerRuntime,
  files: Record<string, string>,
  options: { manifest?: Manifest; image?: string; signal?: AbortSignal; log?: (line: string) => void } = {},
): Promise<string[]> {
  const said: string[] = [];
  const { manifest = manifestWith(), image = IMAGE, signal = never() } = options;
  const log = (line: string): void => {
    said.push(line);
    options.log?.(line);
  };
  await runtime.ensureImage({ image, manifest, bundle: bundleOf({ 'app.json': '{}', ...files }) }, { signal, log });
  return said;
}

let made = 0;

export async function specFor(harness: DockerHarness, changes: Partial<ContainerSpec> = {}): Promise<ContainerSpec> {
  made += 1;
  const manifest = changes.manifest ?? manifestWith();
  const name = `probe-1_instance_${made}`;
  return {
    id: `replica-${process.pid}-${made}`,
    name,
    instance: 'probe-1',
    generation: 1,
    image: IMAGE,
    manifest,
    hostPort: await harness.freePort(),
    resources: manifest.resources,
    ...changes,
    env: { ...changes.env, AVISHKAR_INSTANCE: 'probe-1', AVISHKAR_REPLICA: changes.name ?? name },
  };
}

/** Starts it and waits until it answers. */
export async function started(
  harness: DockerHarness,
  changes: Partial<ContainerSpec> = {},
): Promise<{ spec: ContainerSpec; info: ContainerInfo }> {
  const spec = await specFor(harness, changes);
  const info = await harness.runtime.start(spec, { signal: never() });
  await eventually(() => ask(info), { deadlineMs: 20_000 });
  return { spec, info };
}

export async function ask({ address }: Pick<ContainerInfo, 'address'>, path = '/'): Promise<string> {
  const response = await fetch(`http://${address.ip}:${address.port}${path}`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.text();
}

/** Follows a log until aborted; what came is in `seen`. */
export function follow(runtime: ContainerRuntime, id: string): { seen: LogLine[]; end: () => Promise<void> } {
  const abort = new AbortController();
  const seen: LogLine[] = [];
  const following = (async () => {
    for await (const line of runtime.logs(id, { tail: 100, follow: true, signal: abort.signal })) seen.push(line);
  })();
  return {
    seen,
    async end() {
      abort.abort();
      await following;
    },
  };
}

/** Runs a program in the VM, which must succeed. */
export async function must(vm: FleetVm, ...argv: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await vm.exec(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} on ${vm.name} ended with ${exitCode}: ${stdout}${stderr}`);
  return stdout;
}

/** The same as the VM's user, who is in a shell of theirs. */
export function asUser(vm: FleetVm, command: string): Promise<string> {
  return must(vm, 'su', '-', vm.user, '-c', command);
}
