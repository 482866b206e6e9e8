import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AvkError, messageOf } from '../domain/errors.ts';

const credential = z.object({ user: z.string(), role: z.string(), token: z.string(), expiresAt: z.string() });
const fileSchema = z.object({
  /** The platform of the last login. */
  current: z.string().optional(),
  platforms: z.record(z.string(), credential).default({}),
});
export type Credential = z.infer<typeof credential>;

type Environment = Record<string, string | undefined>;

/** `~/.config/avishkar/credentials.json`, or below XDG_CONFIG_HOME. */
export function credentialsPath(env: Environment): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'avishkar', 'credentials.json');
}

/** What `login` remembered. @throws AvkError AVK_BAD_CONFIG when the file cannot be read */
export function readCredentials(env: Environment): z.infer<typeof fileSchema> {
  const path = credentialsPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { platforms: {} };
    throw new AvkError('AVK_BAD_CONFIG', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AvkError('AVK_BAD_CONFIG', `${path} is damaged; remove it and sign in again`, { cause });
  }
}

/** Remembers a login, for its owner's eyes only. */
export function rememberLogin(env: Environment, url: string, login: Credential): void {
  const known = readCredentials(env);
  keep(env, { current: url, platforms: { ...known.platforms, [url]: login } });
}

/** Forgets the login at a platform, if there is one. */
export function forgetLogin(env: Environment, url: string): void {
  const known = readCredentials(env);
  if (!known.platforms[url]) return;
  const { [url]: _forgotten, ...platforms } = known.platforms;
  keep(env, { ...known, platforms });
}

/** The file is replaced in one step. */
function keep(env: Environment, next: z.infer<typeof fileSchema>): void {
  const path = credentialsPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const staged = `${path}.${process.pid}`;
  writeFileSync(staged, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(staged, path);
}
