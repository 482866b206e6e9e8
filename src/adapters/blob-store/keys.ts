import { AvkError } from '../../domain/errors.ts';

/** Azure's rule for names of containers, but for capitals: its adapter lowers them (`baseApps` is `baseapps` there). */
const CONTAINER = /^(?=.{3,63}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;
/** Leaves room in a file name (255 bytes) for what is appended. */
const SEGMENT = /^[A-Za-z0-9._-]{1,240}$/;
/** Azure's limit. */
const MAX_KEY = 1024;

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== '.' && segment !== '..';
}

export function checkContainer(container: string): void {
  if (CONTAINER.test(container)) return;
  throw new AvkError(
    'AVK_BAD_REQUEST',
    `${JSON.stringify(container.slice(0, 80))} is no name of a container: expected 3 to 63 letters, digits and single -`,
  );
}

export function checkKey(key: string): void {
  if (key.length <= MAX_KEY && key.split('/').every(isSegment)) return;
  throw new AvkError(
    'AVK_BAD_REQUEST',
    `${JSON.stringify(key.slice(0, 80))} is no key: expected segments of letters, digits, ., _ and -, joined by /`,
  );
}

/** The beginning of a key: whole segments, then part of one. */
export function checkPrefix(prefix: string): void {
  const parts = prefix.split('/');
  const last = parts.pop() ?? '';
  if (prefix.length <= MAX_KEY && parts.every(isSegment) && /^[A-Za-z0-9._-]*$/.test(last)) return;
  throw new AvkError('AVK_BAD_REQUEST', `${JSON.stringify(prefix.slice(0, 80))} is not the beginning of a key`);
}
