import type { z } from 'zod';
import { AvkError, type FieldError } from './errors.ts';
import { type Manifest, manifestSchema, RUNTIMES, type Runtime } from './manifest.ts';

/** What an uploaded bundle holds, as far as the manifest depends on it. */
export interface BundleView {
  files: ReadonlySet<string>;
  appJson: string | null;
  packageJson: string | null;
}

const RECEIVED_LENGTH = 100;

/**
 * The manifest of a bundle: app.json in today's form or one of the older ones, runtime and entry detected where it
 * does not say.
 *
 * @throws AvkError AVK_BAD_MANIFEST that names each field, what was expected and what was there
 */
export function readManifest(bundle: BundleView): Manifest {
  if (bundle.appJson === null) {
    throw bad('app.json is missing: expected it at the root of the zip or of its only folder', []);
  }
  const raw = parseObject(bundle.appJson);
  const known = normalise(raw);
  const detected = detect(bundle, known);
  const parsed = manifestSchema.safeParse({ ...known, ...detected });
  if (!parsed.success) {
    const errors = parsed.error.issues.map((issue) => fieldError(issue, known));
    const first = errors[0];
    throw bad(`app.json: ${first?.path || 'the whole'}: ${first?.message ?? 'not acceptable'}`, errors);
  }
  const manifest = parsed.data;
  if (!bundle.files.has(manifest.entry)) {
    throw bad(`app.json: entry: the zip has no file ${manifest.entry}`, [
      { path: 'entry', message: 'expected a file that is in the zip', received: manifest.entry },
    ]);
  }
  return manifest;
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''), withoutProto);
  } catch (cause) {
    if (cause instanceof AvkError) throw cause;
    throw bad(`app.json is not JSON: ${(cause as Error).message}`, []);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(`app.json: expected an object, not ${Array.isArray(value) ? 'an array' : String(value)}`, []);
  }
  return value as Record<string, unknown>;
}

/** Set as a property it would be lost without a word, or worse. */
function withoutProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw bad('app.json: __proto__ cannot be the name of anything', []);
  return value;
}

/** Fields of today's that an app.json of an older form may have, too. */
const SHARED = [
  'runtime',
  'port',
  'env',
  'config',
  'resources',
  'health',
  'stopSeconds',
  'maxBodyMb',
  'scale',
] as const;

/**
 * The two older forms in today's terms. What has no place in today's manifest (`location`, `applicationType` and what
 * is unknown) is kept out: where an instance is for, and for what, its user says at the deployment.
 */
function normalise(raw: Record<string, unknown>): Record<string, unknown> {
  if ('applicationName' in raw) {
    const counts = table(raw, 'applicationTypeInstance');
    const sensors = Object.entries(table(raw, 'sensorTypes')).map(([vertical, types], index) => ({
      slot: `slot${index + 1}`,
      vertical,
      sensors: types,
      ...(vertical in counts ? { count: Number(counts[vertical]) } : {}),
    }));
    return {
      name: raw.applicationName,
      version: raw.version ?? '1.0.0',
      ...(raw.applicationDescription === undefined ? {} : { description: raw.applicationDescription }),
      ...pick(raw, ['entry', ...SHARED]),
      sensors,
    };
  }
  if ('app_name' in raw) {
    return {
      name: raw.app_name,
      version: raw.version ?? '1.0.0',
      ...(raw.entry_point === undefined ? {} : { entry: raw.entry_point }),
      ...pick(raw, ['description', 'sensors', ...SHARED]),
    };
  }
  // For editors only.
  const { $schema: _schema, ...rest } = raw;
  return rest;
}

/** Dockerfile; package.json; requirements.txt, main.py or app.py; index.html: the first that is there decides. */
function detect(bundle: BundleView, known: Record<string, unknown>): { runtime?: string; entry?: string } {
  // A runtime that is none is left for the schema to refuse.
  const named = known.runtime;
  if (named !== undefined && !RUNTIMES.some((runtime) => runtime === named)) return {};
  const runtime = (named as Runtime | undefined) ?? detectRuntime(bundle.files, known.entry);
  if (runtime === null) {
    throw bad('app.json: runtime: expected it, or a Dockerfile, package.json, main.py, app.py or index.html', []);
  }
  if (known.entry !== undefined) return { runtime };
  const entry = detectEntry(runtime, bundle);
  if (entry === null) {
    const names = ENTRIES[runtime].join(', ');
    const message = `expected the file to start with, as the zip has none of ${names}`;
    throw bad(`app.json: entry: ${message}`, [{ path: 'entry', message }]);
  }
  return { runtime, entry };
}

function detectRuntime(files: ReadonlySet<string>, entry: unknown): Runtime | null {
  if (files.has('Dockerfile')) return 'dockerfile';
  // Who names the entry has said what it is; package.json may be for the tools of a page.
  const named = typeof entry === 'string' ? RUNTIME_OF.find(([kind]) => kind.test(entry))?.[1] : undefined;
  if (named) return named;
  if (files.has('package.json')) return 'node';
  if (['requirements.txt', 'main.py', 'app.py'].some((file) => files.has(file))) return 'python';
  if (files.has('index.html')) return 'static';
  return ['main.js', 'index.js', 'server.js', 'main.mjs', 'index.mjs'].some((file) => files.has(file)) ? 'node' : null;
}

const RUNTIME_OF: readonly (readonly [RegExp, Runtime])[] = [
  [/\.[cm]?[jt]s$/, 'node'],
  [/\.py$/, 'python'],
  [/\.html?$/, 'static'],
];

const ENTRIES: Record<Runtime, readonly string[]> = {
  node: ['main.js', 'main.mjs', 'index.js', 'index.mjs', 'server.js', 'app.js'],
  python: ['main.py', 'app.py'],
  static: ['index.html'],
  dockerfile: ['Dockerfile'],
};

function detectEntry(runtime: Runtime, bundle: BundleView): string | null {
  const main = runtime === 'node' ? packageMain(bundle.packageJson) : null;
  const candidates = [...(main === null ? [] : [main]), ...ENTRIES[runtime]];
  return candidates.find((file) => bundle.files.has(file)) ?? null;
}

function packageMain(text: string | null): string | null {
  if (text === null) return null;
  const parsed = parsePackage(text);
  const start = typeof parsed.scripts?.start === 'string' ? /^node ([\w./-]+)$/.exec(parsed.scripts.start)?.[1] : null;
  const main = start ?? (typeof parsed.main === 'string' ? parsed.main : null);
  return main?.replace(/^\.\//, '') ?? null;
}

function parsePackage(text: string): { main?: unknown; scripts?: { start?: unknown } } {
  try {
    return (JSON.parse(text) ?? {}) as { main?: unknown; scripts?: { start?: unknown } };
  } catch (cause) {
    throw bad(`package.json is not JSON: ${(cause as Error).message}`, []);
  }
}

function fieldError(issue: z.core.$ZodIssue, input: Record<string, unknown>): FieldError {
  let value: unknown = input;
  for (const key of issue.path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  const text = value === undefined ? undefined : (JSON.stringify(value) ?? String(value));
  return {
    path: issue.path.join('.'),
    message: issue.message,
    ...(text === undefined ? {} : { received: text.slice(0, RECEIVED_LENGTH) }),
  };
}

/** An object of the older form; empty when it is not there. */
function table(raw: Record<string, unknown>, field: string): Record<string, unknown> {
  const value = raw[field];
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const message = 'expected an object, vertical by vertical';
  throw bad(`app.json: ${field}: ${message}`, [
    { path: field, message, received: JSON.stringify(value).slice(0, RECEIVED_LENGTH) },
  ]);
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

function bad(message: string, errors: FieldError[]): AvkError {
  return new AvkError('AVK_BAD_MANIFEST', message, { errors });
}
