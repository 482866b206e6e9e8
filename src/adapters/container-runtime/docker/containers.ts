import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import type { ContainerInfo, ContainerSpec } from '../../../ports/container-runtime.ts';
import type { ContainerDetails, ContainerSummary } from './docker-answers.ts';
import { dockerTag } from './image-names.ts';
import { IMAGE_LABEL, REPLICA_LABEL } from './labels.ts';

/* What a replica is to Docker, and back. Pure. */

/** Processes and threads that one replica may have. */
const MAX_PIDS = 256;
/** Shortest share of a core that Docker knows. */
const MIN_CPUS = 0.01;

/** The machine that a container is made for. */
export interface Machine {
  name: string;
  /** Its ports are published here, and nowhere else. */
  address: string;
  /** Its cores; Docker refuses a share of more. */
  cores: number;
}

/** A container as its labels tell it. */
export interface LabelledContainer {
  id: string;
  instance: string;
  generation: number;
  image: string;
  hostPort: number;
  /** Where the app listens inside. */
  port: number;
  cpus: number;
  memoryMb: number;
  stopSeconds: number;
  /** Where its Dockerfile is among its files on the machine: `Dockerfile`, or for one of its own below `app/`. */
  dockerfile: string;
  /** Of all that it was made from. */
  hash: string;
}

const LABELS = {
  id: REPLICA_LABEL,
  instance: 'avishkar.instance',
  generation: 'avishkar.generation',
  image: IMAGE_LABEL,
  hostPort: 'avishkar.host-port',
  port: 'avishkar.port',
  cpus: 'avishkar.cpus',
  memoryMb: 'avishkar.memory-mb',
  stopSeconds: 'avishkar.stop-seconds',
  dockerfile: 'avishkar.dockerfile',
  hash: 'avishkar.spec',
} as const satisfies Record<keyof LabelledContainer, string>;

export function labelled(spec: ContainerSpec, machine: Machine): LabelledContainer {
  const { id, instance, generation, image, hostPort, resources, manifest } = spec;
  const told = [spec.name, instance, generation, image, hostPort, manifest.port, resources, Object.entries(spec.env)];
  return {
    id,
    instance,
    generation,
    image,
    hostPort,
    port: manifest.port,
    cpus: Math.max(MIN_CPUS, Math.min(resources.cpus, machine.cores)),
    memoryMb: resources.memoryMb,
    stopSeconds: manifest.stopSeconds,
    dockerfile: manifest.runtime === 'dockerfile' ? `app/${manifest.entry}` : 'Dockerfile',
    hash: createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 32),
  };
}

export function labelsOf(container: LabelledContainer, node: string): Record<string, string> {
  const labels: Record<string, string> = { 'avishkar.node': node };
  for (const [key, label] of Object.entries(LABELS)) labels[label] = String(container[key as keyof LabelledContainer]);
  return labels;
}

/** Null when it is none of ours, or not by a version of ours that we know. */
export function readLabels(labels: Record<string, string>): LabelledContainer | null {
  const text = (key: keyof LabelledContainer): string => labels[LABELS[key]] ?? '';
  const number = (key: keyof LabelledContainer): number => Number(text(key) || Number.NaN);
  const container = {
    id: text('id'),
    instance: text('instance'),
    generation: number('generation'),
    image: text('image'),
    hostPort: number('hostPort'),
    port: number('port'),
    cpus: number('cpus'),
    memoryMb: number('memoryMb'),
    stopSeconds: number('stopSeconds'),
    dockerfile: text('dockerfile'),
    hash: text('hash'),
  };
  return Object.values(container).some((value) => value === '' || Number.isNaN(value)) ? null : container;
}

/** The body of POST /containers/create. */
export function createBody(spec: ContainerSpec, machine: Machine): object {
  const container = labelled(spec, machine);
  const port = `${container.port}/tcp`;
  const memory = container.memoryMb * 1024 * 1024;
  return {
    Image: dockerTag(spec.image),
    Env: Object.entries({ ...spec.env, PORT: String(container.port) }).map(([name, value]) => `${name}=${value}`),
    Labels: labelsOf(container, machine.name),
    ExposedPorts: { [port]: {} },
    Tty: false,
    HostConfig: {
      PortBindings: { [port]: [{ HostIp: machine.address, HostPort: String(container.hostPort) }] },
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      ReadonlyRootfs: false,
      // Hands signals on to the app and buries what its children leave.
      Init: true,
      PidsLimit: MAX_PIDS,
      NanoCpus: Math.round(container.cpus * 1e9),
      Memory: memory,
      // Together with swap: none of that.
      MemorySwap: memory,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      // The platform starts it again, and is to see how it ended.
      RestartPolicy: { Name: 'no' },
    },
  };
}

/** The same as arguments of `docker run`, without what the app is told and without the image. */
export function runArguments(name: string, container: LabelledContainer, machine: Machine): string[] {
  const labels = Object.entries(labelsOf(container, machine.name)).flatMap(([key, value]) => [
    '--label',
    `${key}=${value}`,
  ]);
  const memory = `${container.memoryMb}m`;
  return [
    ...['--detach', '--name', name, ...labels],
    ...['--publish', `${machine.address}:${container.hostPort}:${container.port}`],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--init', '--pids-limit', String(MAX_PIDS)],
    ...['--cpus', String(container.cpus), '--memory', memory, '--memory-swap', memory],
    ...['--log-driver', 'json-file', '--log-opt', 'max-size=5m', '--log-opt', 'max-file=2', '--restart', 'no'],
  ];
}

/** Null when it is none of ours. */
export function infoOf(details: ContainerDetails, address: string): ContainerInfo | null {
  const { Status, ExitCode } = details.State;
  const over = Status === 'exited' || Status === 'dead';
  return info(details.Id, details.Name, details.Config.Labels, address, Status, over ? ExitCode : null);
}

/** The same out of a list, whose sentence has the exit code. */
export function infoOfSummary(summary: ContainerSummary, address: string): ContainerInfo | null {
  const code = /^Exited \((-?\d+)\)/.exec(summary.Status)?.[1];
  const exitCode = code === undefined ? null : Number(code);
  return info(summary.Id, summary.Names[0] ?? '', summary.Labels, address, summary.State, exitCode);
}

function info(
  containerId: string,
  name: string,
  labels: Record<string, string>,
  address: string,
  status: string,
  code: number | null,
): ContainerInfo | null {
  const container = readLabels(labels);
  // One that is being removed is as good as gone.
  if (!container || status === 'removing') return null;
  const { id, instance, generation, image, hostPort } = container;
  const running = status === 'running' || status === 'paused' || status === 'restarting';
  return {
    id,
    containerId,
    name: name.replace(/^\//, ''),
    instance,
    generation,
    image,
    hostPort,
    state: running ? 'running' : 'exited',
    ...(running ? { exitCode: null, exitSignal: null } : exitOf(code)),
    address: { ip: address, port: hostPort },
  };
}

// Some have two names; the first one is the usual.
const SIGNALS = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** Docker tells a signal as shells do: 128 and its number. */
export function exitOf(code: number | null): Pick<ContainerInfo, 'exitCode' | 'exitSignal'> {
  const signal = code !== null && code > 128 ? SIGNALS.get(code - 128) : undefined;
  return signal ? { exitCode: null, exitSignal: signal } : { exitCode: code, exitSignal: null };
}
