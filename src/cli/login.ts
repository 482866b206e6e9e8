import type { Command } from 'commander';
import { loginAnswer } from './answers.ts';
import { createAnonymousClient, LOGIN } from './client.ts';
import { clientCommand, contextOf } from './command.ts';
import { credentialsPath, rememberLogin } from './credentials.ts';
import { passwordSource } from './password.ts';

/** `avishkar login`: remembers a token. The password never stands in the arguments, where all of the machine could read it. */
export function loginCommand(): Command {
  return clientCommand('login', 'Signs in, and remembers it for the other commands')
    .option('--user <name>', 'who signs in', 'admin')
    .addHelpText('after', '\nThe password is asked for. Scripts give it in AVISHKAR_PASSWORD or on standard input.')
    .action(async (options: { url?: string; json?: boolean; user: string }) => {
      const { client, out, env } = contextOf(options);
      const question = `Password of ${options.user} at ${client.url}: `;
      const password = env.AVISHKAR_PASSWORD || (await passwordSource().ask(question));
      const body = { username: options.user, password };
      const answer = await createAnonymousClient(client.url).post(LOGIN, body, loginAnswer);
      const { token, role, expiresAt } = answer;
      rememberLogin(env, client.url, { user: options.user, role, token, expiresAt });
      if (out.json) out.document({ url: client.url, user: options.user, role, expiresAt });
      out.say(`Signed in to ${client.url} as ${options.user} (${role}) until ${new Date(expiresAt).toLocaleString()}.`);
      out.hint(`The sign-in is kept in ${credentialsPath(env)}.`);
    });
}
