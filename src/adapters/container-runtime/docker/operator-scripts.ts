import { quote } from '../../host/ssh/quote.ts';
import { type BuildLimits, limitArguments } from './build-limits.ts';
import { type LabelledContainer, type Machine, runArguments } from './containers.ts';
import { dockerTag } from './image-names.ts';
import { IMAGE_LABEL } from './labels.ts';

/* What an operator with SSH alone needs to run an app by hand. Pure: out of what containers' labels say. */

/** A replica on the machine. */
export interface Replica {
  name: string;
  container: LabelledContainer;
}

export interface OperatorFile {
  name: string;
  text: string;
  mode: number;
}

/** All of one instance and generation. */
export interface ScriptInput {
  instance: string;
  image: string;
  replicas: readonly Replica[];
  machine: Machine;
  buildArguments: Record<string, string>;
  buildLimits: BuildLimits;
}

/** Docker reads a file of settings line by line, each up to this long. */
const LONGEST_LINE_BYTES = 60_000;
/** These differ from replica to replica. */
const OWN = ['PORT', 'AVISHKAR_REPLICA'];

/** `NAME_start.sh` and `NAME_end.sh`. */
export function scripts(input: ScriptInput): OperatorFile[] {
  const { instance } = input;
  return [
    { name: `${instance}_start.sh`, text: startScript(input), mode: 0o755 },
    { name: `${instance}_end.sh`, text: endScript(input), mode: 0o755 },
  ];
}

function startScript({ instance, image, replicas, machine, buildArguments, buildLimits }: ScriptInput): string {
  const file = replicas[0]?.container.dockerfile ?? 'Dockerfile';
  const build = [
    ...['docker', 'build', '--tag', dockerTag(image), '--label', `${IMAGE_LABEL}=${image}`],
    ...Object.entries(buildArguments).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...limitArguments(buildLimits),
    // An app's own Dockerfile sees the app alone; ours also what is beside it.
    ...['--file', file, file === 'Dockerfile' ? '.' : 'app'],
  ];
  const run = replicas.map(({ name, container }) => {
    const own = ['--env', `PORT=${container.port}`, '--env', `AVISHKAR_REPLICA=${name}`];
    return `run ${words([name, ...runArguments(name, container, machine), '--env-file', `${instance}.env`, ...own])}`;
  });
  return `#!/usr/bin/env bash
# Runs ${instance} on ${machine.name} anew, as the platform would, which takes it for its own when it is back.
# Written by the platform whenever something changes here.
set -euo pipefail
cd "$(dirname "\${BASH_SOURCE[0]}")"

if [ ! -e ${instance}.env ]; then
  echo "${instance}.env is not here, without which ${instance} cannot run; the platform writes it when it is started" >&2
  exit 1
fi
image=${words([dockerTag(image)])}
lines=()
if [ -e ${instance}_lines.sh ]; then . ./${instance}_lines.sh; fi

if ! docker image inspect "$image" > /dev/null 2>&1; then
  ${words(build)}
fi
bash ./${instance}_end.sh

run() { # NAME ARGUMENTS...
  local name=$1
  shift
  if docker run "$@" \${lines[@]+"\${lines[@]}"} "$image"; then return; fi
  # While the platform is up it may have been faster.
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ "$(docker container inspect --format '{{.State.Running}}' "$name" 2> /dev/null)" = true ]; then return; fi
    sleep 1
  done
  echo "$name does not run" >&2
  exit 1
}
${run.join('\n')}
`;
}

function endScript({ instance, replicas, machine }: ScriptInput): string {
  const end = replicas.map(({ name, container }) => `end ${words([name, String(Math.ceil(container.stopSeconds))])}`);
  return `#!/usr/bin/env bash
# Ends and removes what runs of ${instance} on ${machine.name}. While the platform is up it starts it again.
set -euo pipefail

end() { # NAME SECONDS
  if ! docker container inspect "$1" > /dev/null 2>&1; then return; fi
  docker stop -t "$2" "$1"
  docker rm --force "$1" > /dev/null
}
${end.join('\n')}
`;
}

/**
 * `NAME.env`, and where values have line breaks also `NAME_lines.sh`, which Docker's own form of such files has no way to
 * say. They hold secrets: for their owner alone, and nothing of them is in a script.
 */
export function environmentFiles(instance: string, env: Record<string, string>): OperatorFile[] {
  const all = Object.entries(env).filter(([name]) => !OWN.includes(name));
  const lines = all.filter(([name, value]) => !fitsLine(`${name}=${value}`));
  const plain = all.filter((entry) => !lines.includes(entry)).map(([name, value]) => `${name}=${value}\n`);
  const files: OperatorFile[] = [{ name: `${instance}.env`, text: plain.join(''), mode: 0o600 }];
  if (lines.length > 0) {
    const names = lines.map(([name]) => `--env ${name}`).join(' ');
    const text = lines.map(([name, value]) => `export ${name}=${quote([value])}\n`).join('');
    files.push({ name: linesFile(instance), text: `${text}lines=(${names})\n`, mode: 0o600 });
  }
  return files;
}

export function linesFile(instance: string): string {
  return `${instance}_lines.sh`;
}

/** For a shell, and for people: an option a line, and quoted only what has to be. */
export function words(argv: readonly string[]): string {
  const quoted = argv.map((each) => (/^[A-Za-z0-9_./:=@%+,-]+$/.test(each) ? each : quote([each])));
  return quoted.map((each, index) => (index > 0 && argv[index]?.startsWith('--') ? `\\\n    ${each}` : each)).join(' ');
}

function fitsLine(line: string): boolean {
  return !/[\r\n]/.test(line) && Buffer.byteLength(line) <= LONGEST_LINE_BYTES;
}
