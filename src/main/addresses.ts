import { networkInterfaces } from 'node:os';
import type { Config } from './config.ts';

/** Where users reach apps: the address served on; when that is all of them, the first that others can reach. */
export function publicAddress(config: Config): string {
  if (!servesAll(config)) return config.host;
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** Where this machine itself reaches the platform. */
export function ownAddress(config: Config): string {
  return servesAll(config) ? '127.0.0.1' : config.host;
}

function servesAll(config: Config): boolean {
  return ['0.0.0.0', '::'].includes(config.host);
}
