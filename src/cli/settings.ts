import { InvalidArgumentError } from 'commander';

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
