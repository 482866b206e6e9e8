import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { AvkError } from '../../../domain/errors.ts';
import { PIP_INSTALL, wantsPip } from '../dependencies.ts';
import type { InstallContext, LaunchContext, Program } from './toolchain.ts';

/** Settings of the operator that pip needs to reach an index from this machine. */
const PASSED_ON = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'ALL_PROXY',
  'all_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'NETRC',
  'PIP_CERT',
  'PIP_CLIENT_CERT',
  'PIP_CONFIG_FILE',
  'PIP_CONSTRAINT',
  'PIP_DEFAULT_TIMEOUT',
  'PIP_EXTRA_INDEX_URL',
  'PIP_FIND_LINKS',
  'PIP_INDEX_URL',
  'PIP_NO_INDEX',
  'PIP_ONLY_BINARY',
  'PIP_PREFER_BINARY',
  'PIP_PROXY',
  'PIP_RETRIES',
  'PIP_TRUSTED_HOST',
];

/** `-I`: nothing of the app is taken for a module of Python's own, which its `email.py` would be otherwise. */
const PYTHON = ['python3', '-I'] as const;

/**
 * Makes the app a virtual environment beside it, and installs what requirements.txt asks for. Without requirements pip
 * is left out of it: that takes a tenth of a second instead of four.
 */
export async function installPython(context: InstallContext): Promise<void> {
  const { folder, image, run } = context;
  const wants = await hasRequirements(folder);
  const env = pipEnv(context);
  await makeEnvironment(context, wants, env);
  if (!wants) return;
  const exitCode = await run([pythonOf(image), '-I', '-m', 'pip', ...PIP_INSTALL, '-r', 'requirements.txt'], env);
  if (exitCode !== 0) throw new AvkError('AVK_BUILD_FAILED', `pip install failed with exit code ${exitCode}.`);
}

/** The app as a process: its own Python, whose output is not held back, and which writes nothing beside the app. */
export function pythonProgram({ image, manifest }: LaunchContext): Program {
  return {
    argv: [pythonOf(image), '-u', manifest.entry],
    env: { PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1', VIRTUAL_ENV: environmentOf(image) },
    path: [join(environmentOf(image), 'bin')],
  };
}

async function makeEnvironment(context: InstallContext, withPip: boolean, env: Record<string, string>): Promise<void> {
  const { image, run } = context;
  let exitCode: number;
  try {
    exitCode = await run([...PYTHON, '-m', 'venv', ...(withPip ? [] : ['--without-pip']), environmentOf(image)], env);
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code !== 'ENOENT') throw error;
    throw unsupported('Python is not installed on the machine', error);
  }
  if (exitCode === 0) return;
  // Debian and others hand out Python without these, and what `venv` says of it depends on the version.
  const needed = withPip ? 'import venv, ensurepip' : 'import venv';
  if ((await run([...PYTHON, '-c', needed], env)) !== 0) {
    throw unsupported('the Python of the machine cannot make virtual environments');
  }
  throw new AvkError('AVK_BUILD_FAILED', `Making a virtual environment failed with exit code ${exitCode}.`);
}

function unsupported(why: string, cause?: unknown): AvkError {
  return new AvkError(
    'AVK_RUNTIME_UNSUPPORTED',
    `Apps with runtime python cannot be installed here, as ${why}: install python3 with its venv module (on Debian and Ubuntu: apt-get install python3-venv).`,
    { cause },
  );
}

/** Whether there is anything but comments in it. */
async function hasRequirements(folder: string): Promise<boolean> {
  try {
    return wantsPip(await readFile(join(folder, 'requirements.txt'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** As for npm: install scripts of any dependency see this, so it holds only what pip itself needs. */
function pipEnv({ environment, cache, home }: InstallContext): Record<string, string> {
  const env: Record<string, string> = {
    PATH: environment.PATH ?? ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    HOME: home,
    TMPDIR: home,
    LANG: 'C.UTF-8',
    PIP_CACHE_DIR: operatorCache(environment) ?? join(cache, 'pip'),
  };
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) env[name] = value;
  }
  // The machine-wide file is found anyway; that of the operator would be looked for in the build's own home.
  const settings = operatorSettings(environment);
  if (env.PIP_CONFIG_FILE === undefined && settings !== null) env.PIP_CONFIG_FILE = settings;
  return env;
}

function operatorSettings({ HOME, XDG_CONFIG_HOME }: NodeJS.ProcessEnv): string | null {
  const config = XDG_CONFIG_HOME ?? (HOME ? join(HOME, '.config') : null);
  const places = [config && join(config, 'pip', 'pip.conf'), HOME ? join(HOME, '.pip', 'pip.conf') : null];
  return places.find((path) => path && existsSync(path)) ?? null;
}

function operatorCache({ HOME, XDG_CACHE_HOME, PIP_CACHE_DIR }: NodeJS.ProcessEnv): string | null {
  const caches = XDG_CACHE_HOME ?? (HOME ? join(HOME, '.cache') : null);
  const cache = PIP_CACHE_DIR ?? (caches && join(caches, 'pip'));
  return cache && existsSync(cache) ? cache : null;
}

function environmentOf(image: string): string {
  return join(image, 'venv');
}

function pythonOf(image: string): string {
  return join(environmentOf(image), 'bin', 'python');
}
