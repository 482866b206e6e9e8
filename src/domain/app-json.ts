import type { z } from 'zod';
import { AvkError, type FieldError } from './errors.ts';
import { type Manifest, manifestSchema } from './manifest.ts';

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
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw bad(`app.json is not JSON: ${(cause as Error).message}`, []);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(`app.json: expected an object, not ${Array.isArray(value) ? 'an array' : String(value)}`, []);
  }
  return value as Record<string, unknown>;
}

/** The two older forms in today's terms; their other fields are kept out, as today's manifest has no place for them. */
function normalise(raw: Record<string, unknown>): Record<string, unknown> {
  if ('applicationName' in raw) {
    const counts = record(raw.applicationTypeInstance);
    const sensors = Object.entries(record(raw.sensorTypes)).map(([vertical, types], index) => ({
      slot: `slot${index + 1}`,
      vertical,
      sensors: types,
      ...(vertical in counts ? { count: Number(counts[vertical]) } : {}),
    }));
    return {
      name: raw.applicationName,
      version: raw.version ?? '1.0.0',
      ...(raw.applicationDescription === undefined ? {} : { description: raw.applicationDescription }),
      ...pick(raw, ['runtime', 'entry', 'port']),
      sensors,
    };
  }
  if ('app_name' in raw) {
    return {
      name: raw.app_name,
      version: raw.version ?? '1.0.0',
      ...(raw.entry_point === undefined ? {} : { entry: raw.entry_point }),
      ...pick(raw, ['description', 'runtime', 'port']),
    };
  }
  // For editors only.
  const { $schema: _schema, ...rest } = raw;
  return rest;
}

/** Dockerfile; package.json; requirements.txt, main.py or app.py; index.html: the first that is there decides. */
function detect(bundle: BundleView, known: Record<string, unknown>): { runtime?: string; entry?: string } {
  const { files } = bundle;
  // A runtime of the wrong type is left for the schema to refuse.
  if (known.runtime !== undefined && typeof known.runtime !== 'string') return {};
  const runtime = known.runtime ?? detectRuntime(files, known.entry);
  if (runtime === null) {
    throw bad('app.json: runtime: expected it, or a Dockerfile, package.json, main.py, app.py or index.html', []);
  }
  if (known.entry !== undefined) return { runtime };
  const entry = detectEntry(runtime, bundle);
  return entry === null ? { runtime } : { runtime, entry };
}

function detectRuntime(files: ReadonlySet<string>, entry: unknown): string | null {
  if (files.has('Dockerfile')) return 'dockerfile';
  if (files.has('package.json')) return 'node';
  if (typeof entry === 'string' && /\.[cm]?[jt]s$/.test(entry)) return 'node';
  if (['requirements.txt', 'main.py', 'app.py'].some((file) => files.has(file))) return 'python';
  if (typeof entry === 'string' && entry.endsWith('.py')) return 'python';
  if (['main.js', 'index.js', 'server.js', 'main.mjs', 'index.mjs'].some((file) => files.has(file))) return 'node';
  return files.has('index.html') ? 'static' : null;
}

const ENTRIES: Record<string, readonly string[]> = {
  node: ['main.js', 'main.mjs', 'index.js', 'index.mjs', 'server.js', 'app.js'],
  python: ['main.py', 'app.py'],
  static: ['index.html'],
  dockerfile: ['Dockerfile'],
};

function detectEntry(runtime: string, bundle: BundleView): string | null {
  const main = runtime === 'node' ? packageMain(bundle.packageJson) : null;
  const candidates = [...(main === null ? [] : [main]), ...(ENTRIES[runtime] ?? [])];
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

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

function bad(message: string, errors: FieldError[]): AvkError {
  return new AvkError('AVK_BAD_MANIFEST', message, { errors });
}
