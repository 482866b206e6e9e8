import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { systemClock } from '../adapters/clock/system.ts';
import { AvkError } from '../domain/errors.ts';
import { ALWAYS_UP, entryName } from '../kernel/service.ts';
import type { Address } from '../ports/service-registry.ts';
import { ownAddress } from './addresses.ts';
import { backupFolder } from './backup.ts';
import { type Composition, compose } from './compose.ts';
import type { Config } from './config.ts';
import { type Hooks, openEngines } from './engines.ts';
import { type Home, takeHome } from './home.ts';
import { createTeardown, type Teardown } from './teardown.ts';

/** A running platform. */
export interface Platform {
  /** `http://HOST:PORT` of the application manager. */
  url: string;
  /** True on the first start of this home. */
  first: boolean;
  /** The administrator's password, when it was made just now. */
  madePassword: string | null;
  composition: Composition;
  /** A token of the administrator's, good for minutes: for what the platform asks of its own HTTP API. */
  token(): Promise<string>;
  /** Stops in order. Repeating it waits for the first. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** For `admin` at the first start; otherwise one is made. */
  adminPassword?: string | undefined;
  hooks?: Hooks;
}

/**
 * Starts the platform in this process. What a failed start opened is closed again.
 *
 * @throws AvkError AVK_HOME_LOCKED, AVK_HOME_UNUSABLE, AVK_PORT_IN_USE, AVK_DISK_FULL
 */
export async function start(config: Config, options: StartOptions = {}): Promise<Platform> {
  const home: Home = takeHome(config.home);
  const teardown = createTeardown(systemClock, (sentence) => process.stderr.write(`${sentence}\n`));
  teardown.add('the hold on the home folder', () => home.release());
  try {
    // Copies that a backup was making when the platform ended.
    rmSync(backupFolder(home), { recursive: true, force: true });
    const engines = await openEngines(config, home, options.hooks ?? {});
    teardown.add('the engines', () => engines.close());
    const composition = await compose(config, home, engines, options.hooks ?? {});
    const address = await startServices(composition, teardown);
    const { first, madePassword } = await firstAdmin(composition, options.adminPassword);
    await composition.running('platform-initializer')?.up();
    return {
      url: `http://${ownAddress(config)}:${address.port}`,
      first,
      madePassword,
      composition,
      token: () => composition.adminToken(),
      stop: () => teardown.run(),
    };
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

/**
 * Starts what is always up; the platform initializer starts the rest. Stopping takes all of them back, what users call
 * first, and the initializer before it could start anything again.
 */
async function startServices({ runtime, inventory }: Composition, teardown: Teardown): Promise<Address> {
  const { services, machines } = await inventory();
  const [machine] = machines;
  const node = { name: machine?.vm_name ?? '', address: machine?.vm_ip ?? '' };
  for (const entry of services) {
    teardown.add(entry.service_name, () => runtime.stop(entry.service_name));
  }
  let address: Address = { ip: '', port: 0 };
  for (const service of ALWAYS_UP) {
    const entry = services.find(({ service_name }) => service_name === entryName(service));
    if (!entry) throw new AvkError('AVK_BAD_CONFIG', `services.json: ${entryName(service)} is missing`);
    const container = await runtime.start(entry, node, { signal: new AbortController().signal });
    if (service === 'application-manager') ({ address } = container);
  }
  return address;
}

async function firstAdmin(
  composition: Composition,
  given: string | undefined,
): Promise<{ first: boolean; madePassword: string | null }> {
  const password = given ?? randomBytes(12).toString('base64url');
  const first = (await composition.running('authenticator')?.addFirstAdmin(password)) ?? false;
  return { first, madePassword: first && given === undefined ? password : null };
}
