import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { ContainerSpec } from '../../../ports/container-runtime.ts';
import { saysDiskFull } from './disk.ts';
import { DockerError } from './docker-api.ts';

/** Shorter values are words of Docker's own sentences. */
const SHORTEST_SECRET = 4;

/** What Docker said to a container that it could not make or start, as the port's errors. */
export function startFailure(error: unknown, spec: ContainerSpec, node: string): unknown {
  if (!(error instanceof DockerError)) return error;
  const { name, image, hostPort } = spec;
  const why = withoutValues(messageOf(error), spec.env);
  if (error.status === 404 && /no such image/i.test(why)) {
    return new AvkError('AVK_IMAGE_MISSING', `The image ${image} is not on ${node}.`, { cause: error });
  }
  if (/port is already allocated|address already in use/i.test(why)) {
    return new AvkError('AVK_PORT_TAKEN', `Port ${hostPort} is taken on ${node}, so ${name} cannot be started there.`);
  }
  if (saysDiskFull(error)) {
    return new AvkError('AVK_DISK_FULL', `The disk of ${node} is full, so ${name} cannot be started there.`);
  }
  return new AvkError('AVK_START_FAILED', `${name} could not be started on ${node}: ${why.replace(/\.$/, '')}.`);
}

/** What an app is told may be a secret, and Docker's answers may quote it. */
function withoutValues(text: string, env: Record<string, string>): string {
  const values = Object.values(env).filter((value) => value.length >= SHORTEST_SECRET);
  return values.sort((a, b) => b.length - a.length).reduce((rest, value) => rest.replaceAll(value, '…'), text);
}
