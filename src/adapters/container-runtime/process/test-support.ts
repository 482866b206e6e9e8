import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  localFreePort,
  localListener,
  type RuntimeHarness,
} from '../../../../test/contracts/container-runtime.contract.ts';
import { bundleOf } from '../../../../test/support/zip.ts';
import { type Manifest, manifestSchema } from '../../../domain/manifest.ts';
import type { ContainerInfo, ContainerSpec } from '../../../ports/container-runtime.ts';
import { systemClock } from '../../clock/system.ts';
import { createProcessRuntime, type ProcessRuntime, type ProcessRuntimeOptions } from './runtime.ts';

export interface ProcessHarness extends RuntimeHarness {
  runtime: ProcessRuntime;
  home: string;
  /** What the runtime wrote to the platform's log. */
  logged: string[];
}

/** A process runtime in a temporary home, for tests. */
export async function createProcessHarness(changes: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessHarness> {
  const home = changes.home ?? (await mkdtemp(join(tmpdir(), 'avishkar-runtime-')));
  const logged: string[] = [];
  const open = (): Promise<ProcessRuntime> =>
    createProcessRuntime({ home, node: 'VM1', clock: systemClock, log: (message) => logged.push(message), ...changes });
  const runtime = await open();
  return {
    runtime,
    home,
    logged,
    reopen: open,
    freePort: localFreePort,
    occupyPort: localListener,
    portInside: (hostPort) => hostPort,
    async cleanup() {
      for (const { id } of await runtime.list()) await runtime.remove(id);
      await runtime.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export const IMAGE = 'probe:1.0.0-0a1b2c3d';

export function manifestWith(changes: Record<string, unknown> = {}): Manifest {
  return manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js', ...changes });
}

/** A container of the image that `ensureApp` makes. */
export async function containerSpec(id: string, changes: Partial<ContainerSpec> = {}): Promise<ContainerSpec> {
  const manifest = changes.manifest ?? manifestWith();
  const hostPort = changes.hostPort ?? (await localFreePort());
  return {
    id,
    name: 'probe-1_instance_1',
    instance: 'probe-1',
    generation: 1,
    image: IMAGE,
    manifest,
    hostPort,
    resources: manifest.resources,
    ...changes,
    env: { PORT: String(hostPort), ...changes.env },
  };
}

/** Makes the image of these files; returns what the build said. */
export async function ensureApp(
  runtime: ProcessRuntime,
  files: Record<string, string>,
  options: { signal?: AbortSignal; manifest?: Manifest; log?: (line: string) => void } = {},
): Promise<string[]> {
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
    options.log?.(line);
  };
  const signal = options.signal ?? new AbortController().signal;
  await runtime.ensureImage(
    { image: IMAGE, manifest: options.manifest ?? manifestWith(), bundle: bundleOf(files) },
    { signal, log },
  );
  return lines;
}

/** Starts `platform.fixture.ts` as a process; resolves with the first of its lines that `until` takes. */
export async function createPlatformProcess(
  given: { home: string; files: Record<string, string>; spec: Partial<ContainerSpec> },
  until: (message: { info?: ContainerInfo; line?: string }) => boolean,
): Promise<{ message: { info?: ContainerInfo; line?: string }; kill: () => Promise<void> }> {
  const fixture = fileURLToPath(new URL('./platform.fixture.ts', import.meta.url));
  const child = spawn(process.execPath, [fixture, JSON.stringify(given)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line);
    if (until(message)) return { message, kill };
  }
  throw new Error('the platform process ended early');
}
