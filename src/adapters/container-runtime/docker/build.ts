import { AvkError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { type BuildLimits, describeMemory } from './build-limits.ts';
import type { BuildOutput } from './build-output.ts';
import type { BuildContext } from './context.ts';
import { saysDiskFull } from './disk.ts';
import { containerSchema, progressSchema } from './docker-answers.ts';
import { type DockerApi, hasStatus } from './docker-api.ts';
import { jsonLines } from './json-lines.ts';
import { IMAGE_LABEL } from './labels.ts';

export interface BuildOptions {
  image: string;
  /** Docker's name for it. */
  tag: string;
  context: BuildContext;
  args: Record<string, string>;
  limits: BuildLimits;
  signal: AbortSignal;
  /** Is told what the build says. */
  output: BuildOutput;
}

/** What a shell makes of SIGKILL. */
const KILLED = '137';
/** A build that was cancelled has this long to end by itself. */
const END_MS = 30_000;
const END_POLL_MS = 100;

/**
 * Builds an image with Docker's classic builder, whose progress is plain lines and which ends when its request does.
 * Aborting ends what runs for the build on the machine before this rejects with the signal's reason.
 *
 * @throws AvkError AVK_BUILD_FAILED with the last lines, AVK_DISK_FULL, AVK_HOST_UNREACHABLE, AVK_BAD_ZIP
 */
export async function buildImage(
  deps: { api: DockerApi; clock: Clock; node: string },
  options: BuildOptions,
): Promise<void> {
  const { api, clock, node } = deps;
  const { image, tag, context, args, limits, signal, output } = options;
  const query = {
    t: tag,
    dockerfile: context.dockerfilePath,
    labels: JSON.stringify({ [IMAGE_LABEL]: image }),
    buildargs: JSON.stringify(args),
    rm: true,
    forcerm: true,
    // Of each container that a step of it runs in.
    ...limits,
  };
  try {
    // The context may take its time; whoever builds has a deadline for the whole.
    const answer = await api.stream('POST', '/build', { query, body: context.tar(), signal, timeoutMs: null });
    try {
      for await (const progress of jsonLines(answer, progressSchema)) output.take(progress);
      output.end();
    } finally {
      answer.destroy();
    }
  } catch (error) {
    await endContainer(api, clock, output.container());
    signal.throwIfAborted();
    if (hasStatus(error, 400, 404, 500)) throw failed(error.message, options, node);
    throw api.failed(error, 'POST /build');
  }
  signal.throwIfAborted();
  const failure = output.failure();
  if (failure !== null) throw failed(failure, options, node);
}

function failed(why: string, { output, limits }: BuildOptions, node: string): AvkError {
  const lastLogLines = output.lastLines();
  if ([why, ...lastLogLines].some(saysDiskFull)) {
    return new AvkError('AVK_DISK_FULL', `The disk of ${node} became full while the app was built.`, { lastLogLines });
  }
  const base = output.pulling();
  if (base !== null) {
    const sentence = `The image ${base}, which the app is built on, could not be pulled on ${node}: ${why.replace(/\.$/, '')}. Give ${node} a way to its registry, or put the image there (docker save ${base} | ssh ${node} docker load).`;
    return new AvkError('AVK_BUILD_FAILED', sentence, { lastLogLines });
  }
  return new AvkError('AVK_BUILD_FAILED', sentenceOf(why, describeMemory(limits)), { lastLogLines });
}

/** What failed, in the words that an app's developer knows: the program and its exit code, not how Docker ran it. */
export function sentenceOf(why: string, memory: string): string {
  const [, command, code] = /^The command '(?:\/bin\/sh -c )?(.*)' returned a non-zero code: (\d+)$/s.exec(why) ?? [];
  if (command === undefined) return `The app could not be built: ${why.replace(/\.$/, '')}.`;
  const [known] = /\b(?:npm (?:ci|install)|pip install)\b/.exec(command) ?? [];
  const sentence = `${known ?? command} failed with exit code ${code}`;
  // Docker does not say who killed it; of a build it is hardly ever anybody else.
  return code === KILLED
    ? `${sentence}: it was killed, most likely because it needed more than the ${memory} of memory that a build may have.`
    : `${sentence}.`;
}

/** Docker ends the container of a build whose request is gone. Here it is made sure of, as nobody else will look. */
async function endContainer(api: DockerApi, clock: Clock, container: string | null): Promise<void> {
  if (container === null) return;
  const until = clock.monotonic() + END_MS;
  while (clock.monotonic() < until) {
    try {
      await api.call('GET', `/containers/${container}/json`, containerSchema);
      await api.act('DELETE', `/containers/${container}`, { query: { force: true, v: true } });
    } catch (error) {
      if (hasStatus(error, 404)) return;
      // It is being removed already.
      if (!hasStatus(error, 409, 500)) return;
    }
    await clock.sleep(END_POLL_MS);
  }
}
