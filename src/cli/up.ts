import { Command, InvalidArgumentError } from 'commander';
import { messageOf } from '../domain/errors.ts';
import type { Platform } from '../main/start.ts';
import { wholeNumber } from './command.ts';

/** `avishkar up`: the platform in this process, until it is told to stop. */
export function upCommand(): Command {
  return new Command('up')
    .description('Starts the platform in one process and serves it until Ctrl-C')
    .option('--config <file>', 'avishkar.yml: machines of your own, and any of the settings below')
    .option('--home <dir>', 'where all state is kept (default: ~/.avishkar)')
    .option('--host <address>', 'address to serve on (default: 127.0.0.1, this machine only)')
    .option('--port <port>', 'port of the platform; its services take the eight after it (default: 8010)', wholeNumber)
    .option('--nodes <n>', 'how many machines to pretend (default: 1)', wholeNumber)
    .option('--first-port <port>', 'first public port of apps (default: 2000)', wholeNumber)
    .option('--replica-ports <first-last>', 'ports that replicas get (default: 20000-29999)', range)
    .option('--build-seconds <n>', 'longest that installing an app may take (default: 600)', wholeNumber)
    .option('--max-upload-mb <n>', 'largest upload in MB, packed (default: 100)', wholeNumber)
    .option('--max-unpacked-mb <n>', 'largest upload in MB, unpacked (default: 256)', wholeNumber)
    .option('--keep-versions <n>', 'how many versions of an app stay without being used (default: 10)', wholeNumber)
    .option('--open-registration', 'let anybody register, as role user')
    .option(
      '--legacy-allow-from <cidr>',
      'network whose programs need no token for the starting document’s routes; may be repeated',
      (network: string, before: string[] = []) => [...before, network],
    )
    .option('--no-demo', 'do not deploy the sample app on the first start')
    .action(async ({ legacyAllowFrom, config, demo, ...flags }: Record<string, unknown>) => {
      await up({
        ...(typeof config === 'string' ? await settingsIn(config) : {}),
        ...flags,
        // The flag can only say no.
        ...(demo === false ? { demo } : {}),
        ...(legacyAllowFrom === undefined ? {} : { legacy: { allowFrom: legacyAllowFrom } }),
      });
    });
}

async function settingsIn(file: string): Promise<Record<string, unknown>> {
  // Loaded for those who have one: it knows keys of SSH.
  const { readConfigFile } = await import('../main/config-file.ts');
  return readConfigFile(file, process.env);
}

async function up(options: Record<string, unknown>): Promise<void> {
  // Loaded here, as all other commands do without the platform.
  const { readConfig } = await import('../main/config.ts');
  const { start } = await import('../main/start.ts');
  const config = readConfig(options);
  const signalled = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    // A second one while stopping changes nothing.
    process.on(signal, () => signalled.abort());
  }
  const platform = await start(config, { adminPassword: process.env.AVISHKAR_ADMIN_PASSWORD || undefined });
  process.stdout.write(`Avishkar is ready at ${platform.url}\n`);
  tellPassword(platform);
  if (platform.first && config.demo) {
    await sample(platform, signalled.signal);
  }
  await new Promise<void>((resolve) => {
    if (signalled.signal.aborted) resolve();
    signalled.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  process.stdout.write(
    config.vms
      ? 'Stopping: apps go on on their machines, and are found there at the next start …\n'
      : 'Stopping: apps end with the platform and come back with it …\n',
  );
  await platform.stop();
  process.stdout.write('Stopped.\n');
  // Whatever could not be ended in its time must not keep the process.
  process.exit(0);
}

function tellPassword(platform: Platform): void {
  if (platform.madePassword === null) return;
  const login = `npx avishkar login --user admin${platform.url.endsWith(':8010') ? '' : ` --url ${platform.url}`}`;
  process.stdout.write(
    `\n  Sign in as admin with the password ${platform.madePassword}\n  It is shown this once. On the command line: ${login}\n\n`,
  );
}

async function sample(platform: Platform, signal: AbortSignal): Promise<void> {
  process.stdout.write('Deploying the sample app …\n');
  try {
    const { deploySample } = await import('../main/sample.ts');
    const { name, endpoint } = await deploySample(platform, signal);
    process.stdout.write(`The sample app ${name} is served at ${endpoint}\n`);
  } catch (error) {
    if (!signal.aborted) process.stdout.write(`The sample app could not be deployed: ${messageOf(error)}\n`);
  }
}

function range(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Expected two ports, such as 20000-29999.');
  return { first: Number(match[1]), last: Number(match[2]) };
}
