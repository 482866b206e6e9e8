import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { emptyAnswer } from './answers.ts';
import { clientCommand, contextOf } from './command.ts';
import { forgetLogin } from './credentials.ts';

/** `avishkar logout`: ends the session at the platform and forgets its token here. */
export function logoutCommand(): Command {
  return clientCommand('logout', 'Signs out').action(async (options: { url?: string; json?: boolean }) => {
    const { client, out, env } = contextOf(options);
    let ended = true;
    try {
      await client.post('/api/auth/logout/', {}, emptyAnswer);
    } catch (error) {
      // Nobody signed in, or not any more: what was to be is so.
      if (!(error instanceof AvkError) || error.code !== 'AVK_UNAUTHENTICATED') throw error;
      ended = false;
    } finally {
      forgetLogin(env, client.url);
    }
    if (out.json) return out.document({ url: client.url, ended });
    out.say(ended ? `Signed out of ${client.url}.` : `Nobody was signed in at ${client.url}.`);
  });
}
