import { AvkError } from '../../../domain/errors.ts';

const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._+-]*(:[A-Za-z0-9._+-]+)?$/;
const CONTAINER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/**
 * The folder of an image. The colon becomes `@`, which no image name has: a path with a colon cannot stand in PATH,
 * where npm puts the `.bin` of the app.
 */
export function imageFolder(image: string): string {
  if (!IMAGE.test(image) || image.length > 200) {
    throw new AvkError('AVK_BUILD_FAILED', `${JSON.stringify(image.slice(0, 200))} cannot be the name of an image.`);
  }
  return image.replace(':', '@');
}

export function imageOfFolder(folder: string): string {
  return folder.replace('@', ':');
}

export function containerFolder(name: string): string {
  if (!CONTAINER.test(name)) {
    throw new AvkError('AVK_START_FAILED', `${JSON.stringify(name.slice(0, 200))} cannot be the name of a container.`);
  }
  return name;
}
