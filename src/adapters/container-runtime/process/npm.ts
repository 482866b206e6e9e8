import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { AvkError } from '../../../domain/errors.ts';
import { NPM_LOCK_FILES, npmInstall, wantsNpm } from '../dependencies.ts';
import type { InstallContext } from './toolchain.ts';

/** Settings of the operator that npm needs to reach a registry from this machine. */
const PASSED_ON = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'NPM_CONFIG_REGISTRY',
  'npm_config_registry',
  'NPM_CONFIG_GLOBALCONFIG',
  'npm_config_globalconfig',
];

/** Installs what package.json asks for, as `npm ci` or `npm install` do. Does nothing, fast, when it asks for nothing. */
export async function installNpm(context: InstallContext): Promise<void> {
  const { folder } = context;
  if (!(await needsNpm(folder))) return;
  const argv = npmInstall(NPM_LOCK_FILES.some((name) => existsSync(join(folder, name))));
  let exitCode: number;
  try {
    exitCode = await context.run(argv, npmEnv(context));
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code !== 'ENOENT') throw error;
    throw new AvkError('AVK_BUILD_FAILED', 'The app has dependencies, but npm is not installed on the machine.', {
      cause: error,
    });
  }
  if (exitCode !== 0) throw new AvkError('AVK_BUILD_FAILED', `npm ${argv[1]} failed with exit code ${exitCode}.`);
}

async function needsNpm(folder: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(join(folder, 'package.json'), 'utf8');
  } catch {
    return false;
  }
  return wantsNpm(text);
}

/**
 * Install scripts of any dependency see this, so it holds only what npm itself needs. The operator's .npmrc is named,
 * as there may be no other way to the registry; a script can read that file, tokens included, just as it could
 * without being told: without Docker, apps run with the rights of the platform's user.
 */
function npmEnv({ environment, nodePath, cache, home }: InstallContext): Record<string, string> {
  const env: Record<string, string> = {
    PATH: [dirname(nodePath), environment.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
    HOME: home,
    TMPDIR: home,
    LANG: 'C.UTF-8',
    // The shared cache is worth it: most apps of an operator have the same few dependencies.
    npm_config_cache: operatorCache(environment) ?? join(cache, 'npm'),
  };
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) env[name] = value;
  }
  const settings =
    environment.NPM_CONFIG_USERCONFIG ?? environment.npm_config_userconfig ?? inHome(environment, '.npmrc');
  if (settings !== null && existsSync(settings)) env.NPM_CONFIG_USERCONFIG = settings;
  return env;
}

function operatorCache(environment: NodeJS.ProcessEnv): string | null {
  const cache = environment.npm_config_cache ?? environment.NPM_CONFIG_CACHE ?? inHome(environment, '.npm');
  return cache !== null && existsSync(cache) ? cache : null;
}

function inHome(environment: NodeJS.ProcessEnv, name: string): string | null {
  return environment.HOME ? join(environment.HOME, name) : null;
}
