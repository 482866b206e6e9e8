import { z } from 'zod';
import { AvkError } from './errors.ts';
import { nameSchema } from './names.ts';

export const RUNTIMES = ['node', 'python', 'static', 'dockerfile'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** For an app of a kind that the machines cannot run. */
export function unsupportedRuntime(runtime: Runtime, supported: readonly Runtime[]): AvkError {
  const others = supported.join(', ');
  const why =
    runtime === 'dockerfile'
      ? `Apps with runtime dockerfile need machines with Docker, which this platform does not have. Deploy it on a platform that has, or give app.json one of these runtimes: ${others}.`
      : `Apps with runtime ${runtime} cannot run on this platform's machines; they run: ${others}.`;
  return new AvkError('AVK_RUNTIME_UNSUPPORTED', why, {
    errors: [{ path: 'runtime', message: `expected one of ${others}`, received: runtime }],
  });
}

/** A path inside the bundle: relative, forward slashes, no way out. */
const bundlePath = z
  .string()
  .min(1)
  .max(255)
  .refine(
    (path) =>
      !path.startsWith('/') &&
      !path.includes('\\') &&
      !path.includes('\0') &&
      path.split('/').every((part) => part !== '' && part !== '..' && part !== '.'),
    'expected a relative path inside the zip, with forward slashes and without . or ..',
  );

/** Names that are set by the platform, or that change how a process is loaded, are not an app's to set. */
const RESERVED_ENV = /^(AVISHKAR_.*|PORT|PATH|HOME|LD_.*|NODE_OPTIONS|PYTHON(HOME|PATH|STARTUP)|BASH_ENV|ENV)$/;

const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected letters, digits and _, not starting with a digit')
  .refine((name) => !RESERVED_ENV.test(name) && name !== '__proto__', 'this variable is set by the platform');

const envValue = z
  .string()
  .max(32_768)
  .refine((value) => !value.includes('\0'), 'expected no NUL character');

const configEntry = z.strictObject({
  key: envName,
  type: z.enum(['string', 'number', 'boolean', 'enum']).default('string'),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  title: z.string().max(200).optional(),
  description: z.string().max(2000).optional(),
  required: z.boolean().default(false),
  secret: z.boolean().default(false),
  /** The choices, for type `enum`. */
  values: z.array(z.string().min(1)).min(1).max(200).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});

const sensorSlot = z.strictObject({
  slot: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/),
  vertical: z.string().min(1).max(63),
  sensors: z.array(z.string().min(1).max(63)).min(1).max(100),
  count: z.int().min(1).max(1000).default(1),
});

/** CPU in cores, memory in MiB. */
export const resourcesSchema = z.strictObject({
  cpus: z.number().positive().max(256).default(0.5),
  memoryMb: z.int().min(16).max(1_048_576).default(256),
});

export const healthSchema = z.strictObject({
  path: z.string().regex(/^\/[!-~]{0,1023}$/, 'expected a path that starts with / and has no spaces'),
  intervalSeconds: z.number().min(0.1).max(3600).default(2),
  timeoutSeconds: z.number().min(0.1).max(300).default(2),
  /** How long a new replica may take until its first good answer. */
  startSeconds: z.number().min(1).max(3600).default(30),
  /** So many bad answers in a row make a replica unhealthy. */
  failures: z.int().min(1).max(100).default(3),
});

export const scaleSchema = z
  .strictObject({
    min: z.int().min(1).max(100).default(1),
    max: z.int().min(1).max(100).default(5),
    /** Thresholds of the starting document: a replica is added above them. */
    cpuPercent: z.number().min(1).max(100).default(80),
    memoryPercent: z.number().min(1).max(100).default(75),
  })
  .refine((scale) => scale.min <= scale.max, { path: ['min'], message: 'expected min to be at most max' });

/** app.json as written, with only what every app must say required. */
export const manifestSchema = z
  .strictObject({
    name: nameSchema,
    version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, 'expected a version such as 1.2.0'),
    description: z.string().max(2000).default(''),
    runtime: z.enum(RUNTIMES),
    entry: bundlePath,
    /** Where the app listens inside a container. An embedded app is told its own in PORT. */
    port: z.int().min(1).max(65_535).default(8050),
    env: z.record(envName, envValue).default({}),
    config: z.array(configEntry).max(200).default([]),
    sensors: z.array(sensorSlot).max(100).default([]),
    resources: resourcesSchema.prefault({}),
    health: healthSchema.optional(),
    stopSeconds: z.number().min(0).max(600).default(10),
    /** Largest request body that is passed on to it, in MiB; 0: any. */
    maxBodyMb: z.number().min(0).max(102_400).default(0),
    scale: scaleSchema.prefault({}),
  })
  .superRefine((manifest, context) => {
    const seen = new Set<string>();
    manifest.config.forEach((entry, index) => {
      const issue = (field: string, message: string): void => {
        context.addIssue({ code: 'custom', path: ['config', index, field], message });
      };
      if (seen.has(entry.key)) issue('key', `expected each key once; ${entry.key} is there twice`);
      seen.add(entry.key);
      if (entry.type === 'enum' && !entry.values) issue('values', 'expected the list of choices');
      if (entry.default !== undefined) {
        const problem = configProblem(entry, entry.default);
        if (problem) issue('default', problem);
      }
    });
    manifest.sensors.forEach((slot, index) => {
      if (manifest.sensors.findIndex((other) => other.slot === slot.slot) !== index) {
        context.addIssue({ code: 'custom', path: ['sensors', index, 'slot'], message: 'expected each slot once' });
      }
    });
  });

export type Manifest = z.infer<typeof manifestSchema>;
export type ConfigEntry = Manifest['config'][number];
export type Resources = z.infer<typeof resourcesSchema>;
export type HealthCheck = z.infer<typeof healthSchema>;
export type Scale = z.infer<typeof scaleSchema>;
export type ConfigValue = string | number | boolean;

/** Seconds a new replica may take to become healthy when app.json has no `health` (the default of `health.startSeconds`). */
export const DEFAULT_START_SECONDS = 30;

/** What is wrong with a value for this setting, or null. */
export function configProblem(entry: ConfigEntry, value: unknown): string | null {
  switch (entry.type) {
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) return 'expected a number';
      if (entry.min !== undefined && value < entry.min) return `expected at least ${entry.min}`;
      if (entry.max !== undefined && value > entry.max) return `expected at most ${entry.max}`;
      return null;
    case 'boolean':
      return typeof value === 'boolean' ? null : 'expected true or false';
    case 'enum':
      return typeof value === 'string' && entry.values?.includes(value)
        ? null
        : `expected one of ${(entry.values ?? []).join(', ')}`;
    case 'string':
      if (typeof value !== 'string') return 'expected text';
      if (value.includes('\0')) return 'expected no NUL character';
      return value.length > 32_768 ? 'expected at most 32768 characters' : null;
  }
}
