import { randomBytes } from 'node:crypto';
import { systemClock } from '../adapters/clock/system.ts';
import { AvkError } from '../domain/errors.ts';
import type { ServiceName } from '../kernel/service.ts';
import { type Composition, compose, ownAddress, portOf, publicAddress } from './compose.ts';
import type { Config } from './config.ts';
import { type Engines, embeddedEngines, type Hooks } from './engines.ts';
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
    const engines = await embeddedEngines(config, home, options.hooks ?? {});
    teardown.add('the engines', () => engines.close());
    const composition = await compose(config, home, engines, options.hooks ?? {});
    teardown.add('the databases', () => composition.close());
    const { first, madePassword } = await firstAdmin(composition, options.adminPassword);
    for (const service of composition.services) {
      teardown.add(service.name, () => service.stop());
      await service.start();
    }
    const ports = await listen(composition, config, teardown);
    const registration = await register(engines, config, ports);
    teardown.add('the registration', () => registration.close());
    return {
      url: `http://${ownAddress(config)}:${ports.get('application-manager')}`,
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

async function firstAdmin(
  composition: Composition,
  given: string | undefined,
): Promise<{ first: boolean; madePassword: string | null }> {
  const password = given ?? randomBytes(12).toString('base64url');
  const first = await composition.authenticator.addFirstAdmin(password);
  return { first, madePassword: first && given === undefined ? password : null };
}

async function listen(composition: Composition, config: Config, teardown: Teardown): Promise<Map<ServiceName, number>> {
  const ports = new Map<ServiceName, number>();
  for (const { name, http } of composition.services) {
    teardown.add(`the port of ${name}`, () => http.close());
    const port = portOf(name, config);
    try {
      const address = await http.listen({ host: config.host, port });
      ports.set(name, Number(new URL(address).port));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
      throw new AvkError(
        'AVK_PORT_IN_USE',
        `port ${port}, which ${name} needs, is in use; stop what uses it, or choose other ports with --port (the services take PORT to PORT+8)`,
        { cause },
      );
    }
  }
  return ports;
}

async function register(engines: Engines, config: Config, ports: Map<ServiceName, number>) {
  const session = await engines.registry.session('platform');
  const ip = publicAddress(config);
  for (const [name, port] of ports) {
    await session.register({ name, kind: 'service', address: { ip, port }, direct: [{ ip, port }] });
  }
  return session;
}
