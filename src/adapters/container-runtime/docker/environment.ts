import { environmentSchema } from './docker-answers.ts';
import { type DockerApi, hasStatus } from './docker-api.ts';

/** What a container was told when it was made, without what its image tells everybody; null when it is gone. */
export async function readEnvironment(api: DockerApi, name: string): Promise<Record<string, string> | null> {
  const container = await inspect(api, `/containers/${name}/json`);
  if (!container) return null;
  const image = await inspect(api, `/images/${container.Image}/json`);
  const common = new Set(image?.Config?.Env);
  const told = (container.Config?.Env ?? []).filter((each) => !common.has(each) && each.includes('='));
  return Object.fromEntries(told.map(nameAndValue));
}

async function inspect(api: DockerApi, path: string) {
  try {
    return await api.call('GET', path, environmentSchema);
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw error;
  }
}

function nameAndValue(each: string): [string, string] {
  const at = each.indexOf('=');
  return [each.slice(0, at), each.slice(at + 1)];
}
