import { Command, InvalidArgumentError } from 'commander';
import { messageOf } from '../domain/errors.ts';
import { readConfig } from '../main/config.ts';
import { deploySample } from '../main/sample.ts';
import { type Platform, start } from '../main/start.ts';

/** `avishkar up`: the platform in this process, until it is told to stop. */
export function upCommand(): Command {
  return new Command('up')
    .description('Starts the platform in one process and serves it until Ctrl-C')
    .option('--home <dir>', 'where all state is kept (default: ~/.avishkar)')
    .option('--host <address>', 'address to serve on (default: 127.0.0.1, this machine only)')
    .option('--port <port>', 'port of the platform; its services take the eight after it (default: 8010)', integer)
    .option('--nodes <n>', 'how many machines to pretend (default: 1)', integer)
    .option('--first-port <port>', 'first public port of apps (default: 2000)', integer)
    .option('--replica-ports <first-last>', 'ports that replicas get (default: 20000-29999)', range)
    .option('--no-demo', 'do not deploy the sample app on the first start')
    .action(async (options: Record<string, unknown>) => {
      await up(options);
    });
}

async function up(options: Record<string, unknown>): Promise<void> {
  const config = readConfig(options);
  const signalled = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    // A second one while stopping changes nothing.
    process.on(signal, () => signalled.abort());
  }
  const platform = await start(config, { adminPassword: process.env.AVISHKAR_ADMIN_PASSWORD });
  process.stdout.write(`Avishkar is ready at ${platform.url}\n`);
  tellPassword(platform);
  if (platform.first && config.demo) {
    await sample(platform, signalled.signal);
  }
  await new Promise<void>((resolve) => {
    if (signalled.signal.aborted) resolve();
    signalled.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  process.stdout.write('Stopping: apps end with the platform and come back with it …\n');
  await platform.stop();
  process.stdout.write('Stopped.\n');
}

function tellPassword(platform: Platform): void {
  if (platform.madePassword === null) return;
  process.stdout.write(
    `\n  Sign in as admin with the password ${platform.madePassword}\n  It is shown this once; change it with: npx avishkar passwd\n\n`,
  );
}

async function sample(platform: Platform, signal: AbortSignal): Promise<void> {
  process.stdout.write('Deploying the sample app …\n');
  try {
    const { name, endpoint } = await deploySample(platform, signal);
    process.stdout.write(`The sample app ${name} is served at ${endpoint}\n`);
  } catch (error) {
    if (!signal.aborted) process.stdout.write(`The sample app could not be deployed: ${messageOf(error)}\n`);
  }
}

function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

function range(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Expected two ports, such as 20000-29999.');
  return { first: Number(match[1]), last: Number(match[2]) };
}
