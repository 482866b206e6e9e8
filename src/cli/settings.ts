import { InvalidArgumentError } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { appsAnswer } from './answers.ts';
import type { Client } from './client.ts';

/** Collects `--set KEY=VALUE`, for commander. */
export function collectSetting(text: string, before: Map<string, string> | undefined): Map<string, string> {
  const cut = text.indexOf('=');
  if (cut < 1) throw new InvalidArgumentError('Expected KEY=VALUE.');
  return new Map([...(before ?? []), [text.slice(0, cut), text.slice(cut + 1)]]);
}

/**
 * Settings with the types the manifest gives them. What does not look like its type, or is unknown, stays text: the
 * platform refuses it with the reason.
 */
export function typedSettings(
  given: ReadonlyMap<string, string>,
  config: readonly { key: string; type: string }[],
): Record<string, string | number | boolean> {
  const types = new Map(config.map(({ key, type }) => [key, type]));
  return Object.fromEntries([...given].map(([key, text]) => [key, typed(text, types.get(key))]));
}

function typed(text: string, type: string | undefined): string | number | boolean {
  if (type === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (type === 'boolean' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  return text;
}

/** The given settings with the types of that version of the app, or its newest one. */
export async function settingsFor(
  client: Client,
  app: string,
  version: string | undefined,
  given: ReadonlyMap<string, string>,
): Promise<Record<string, unknown>> {
  const { apps } = await client.get('/api/baseApp/getapps/', appsAnswer);
  const found = apps.find(({ name }) => name.toLowerCase() === app.toLowerCase());
  if (!found) {
    const known = apps.map(({ name }) => name).join(', ');
    throw new AvkError('AVK_NOT_FOUND', `there is no app ${app}; ${known ? `there is ${known}` : 'upload it first'}`);
  }
  const chosen = version === undefined ? found.versions[0] : found.versions.find((one) => one.version === version);
  // Without a manifest the platform says what is wrong with the version.
  return typedSettings(given, chosen?.manifest.config ?? []);
}
