import { hash, verify } from '@node-rs/argon2';

/** OWASP's second recommended setting for argon2id: 19 MiB, 2 passes, 1 lane. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export function hashPassword(password: string): Promise<string> {
  return hash(password, ARGON2);
}

/** Compared with when there is no such user, so that the answer takes as long. */
let decoy: Promise<string> | null = null;

/** @param stored null when there is no such user: then nothing is right */
export async function isRight(stored: string | null, password: string): Promise<boolean> {
  decoy ??= hashPassword('nobody');
  const matches = await verify(stored ?? (await decoy), password);
  return matches && stored !== null;
}
