import { createHash } from 'node:crypto';

/** What Docker takes for a repository (one part of it) and a tag. */
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * The name by which Docker knows an image of ours. Names that Docker would not take are changed, and then end with a
 * part of their hash, so that no two become one. The platform's own name is in a label of the image.
 */
export function dockerTag(image: string): string {
  const [repository = '', tag = 'latest'] = image.split(/:(.*)/s);
  if (REPOSITORY.test(repository) && TAG.test(tag)) return `${repository}:${tag}`;
  const hash = createHash('sha256').update(image).digest('hex').slice(0, 8);
  const plain = repository
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const cut = tag
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 100);
  return `${plain || 'app'}:${cut ? `${cut}-` : ''}${hash}`;
}
