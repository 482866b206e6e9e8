import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { AvkError } from '../domain/errors.ts';
import { DEFAULT_REPLICA_PORTS, portRangeSchema } from '../domain/ports.ts';
import { vmEntrySchema } from '../domain/service-entry.ts';
import { createNetworkList } from '../kernel/http/networks.ts';
import type { BundleLimits } from '../ports/bundle-reader.ts';

/** What `avishkar up` is told. */
export const configSchema = z.strictObject({
  /** All state is below it. */
  home: z
    .string()
    .min(1)
    .default(() => join(homedir(), '.avishkar'))
    .transform((path) => resolve(path)),
  /** Address that the platform and the apps are served on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** The application manager's port; the other services follow. 0: any free ones. */
  port: z.int().min(0).max(65_527).default(8010),
  /** How many machines to pretend. */
  nodes: z.int().min(1).max(64).default(1),
  /** Whether a new platform deploys the sample app. */
  demo: z.boolean().default(true),
  /** First public port of apps, as in the starting document's NginxPort. */
  firstPort: z.int().min(1024).max(65_000).default(2000),
  /** Ports that replicas get. */
  replicaPorts: portRangeSchema.default(DEFAULT_REPLICA_PORTS),
  /** Longest a build may take, in seconds. */
  buildSeconds: z.number().min(1).max(86_400).default(600),
  /** Largest upload, packed and unpacked, in MiB. */
  maxUploadMb: z.int().min(1).max(10_240).default(100),
  maxUnpackedMb: z.int().min(1).max(102_400).default(256),
  /** Most files and folders of an upload. */
  maxUploadEntries: z.int().min(1).max(1_000_000).default(10_000),
  /** Most times its packed size that an upload may unpack to. */
  maxUploadRatio: z.int().min(1).max(100_000).default(200),
  /** So many of an app's newest versions stay, used or not. */
  keepVersions: z.int().min(1).max(10_000).default(10),
  /** Whether anybody may register, as role user. */
  openRegistration: z.boolean().default(false),
  legacy: z
    .strictObject({
      /** Networks from which the starting document's own routes need no token. */
      allowFrom: z.array(z.string()).default([]),
    })
    .default({ allowFrom: [] }),
  /** Machines of one's own. Absent: this machine pretends to be `nodes` of them. */
  vms: z.array(vmEntrySchema).min(1).optional(),
  loadBalancer: z
    .strictObject({
      /** The machine on which NGINX runs. */
      vm: z.string().min(1),
      /** Where users reach it, if not at the address at which the platform does: an IPv4 address or a name. */
      address: z
        .string()
        .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, 'expected an IPv4 address or a host name')
        .optional(),
      /** Where NGINX on it looks for more configuration; the platform's files go there. */
      confDir: z.string().startsWith('/', 'expected an absolute path').default('/etc/nginx/conf.d'),
      /** First public port of apps. */
      firstPort: z.int().min(1024).max(65_000).optional(),
    })
    .optional(),
  /** What images of apps are built on. */
  baseImages: z
    .strictObject({
      node: z.string().min(1).default('node:24-slim'),
      python: z.string().min(1).default('python:3.13-slim'),
      platform: z.string().min(1).default('node:24-slim'),
    })
    .prefault({}),
  placement: z
    .strictObject({
      /** Where further replicas go: to other machines than those before, or, as in the starting document, to the same. */
      replicas: z.enum(['spread', 'same-node']).default('spread'),
    })
    .prefault({}),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});
export type Config = z.infer<typeof configSchema>;

const MIB = 1024 * 1024;

export function uploadLimits(config: Config): BundleLimits {
  return {
    packedBytes: config.maxUploadMb * MIB,
    unpackedBytes: config.maxUnpackedMb * MIB,
    entries: config.maxUploadEntries,
    ratio: config.maxUploadRatio,
  };
}

/** @throws AvkError AVK_BAD_CONFIG that names the option, its value and what was expected */
export function readConfig(given: Record<string, unknown>): Config {
  const parsed = configSchema.safeParse(given);
  if (parsed.success) {
    // Says which one is no network.
    createNetworkList(parsed.data.legacy.allowFrom);
    return parsed.data;
  }
  const errors = parsed.error.issues.map((issue) => {
    const path = issue.path.join('.');
    const received = JSON.stringify(given[String(issue.path[0])]) ?? 'nothing';
    return { path, message: issue.message, received };
  });
  const first = errors[0];
  throw new AvkError('AVK_BAD_CONFIG', `${first?.path}: ${first?.message}, got ${first?.received}`, { errors });
}
