import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { loginAnswer } from './answers.ts';
import { createAnonymousClient, LOGIN } from './client.ts';
import { clientCommand, contextOf } from './command.ts';
import { credentialsPath, rememberLogin } from './credentials.ts';

/** `avishkar login`: remembers a token. The password never stands in the arguments, where all of the machine could read it. */
export function loginCommand(): Command {
  return clientCommand('login', 'Signs in, and remembers it for the other commands')
    .option('--user <name>', 'who signs in', 'admin')
    .addHelpText('after', '\nThe password is asked for. Scripts give it in AVISHKAR_PASSWORD or on standard input.')
    .action(async (options: { url?: string; json?: boolean; user: string }) => {
      const { client, out, env } = contextOf(options);
      const password = env.AVISHKAR_PASSWORD || (await readPassword(`Password of ${options.user} at ${client.url}: `));
      if (password === '') throw new AvkError('AVK_BAD_REQUEST', 'the password is empty; nothing was tried');
      const body = { username: options.user, password };
      const answer = await createAnonymousClient(client.url).post(LOGIN, body, loginAnswer);
      const { token, role, expiresAt } = answer;
      rememberLogin(env, client.url, { user: options.user, role, token, expiresAt });
      if (out.json) out.document({ url: client.url, user: options.user, role, expiresAt });
      out.say(`Signed in to ${client.url} as ${options.user} (${role}) until ${new Date(expiresAt).toLocaleString()}.`);
      out.hint(`The sign-in is kept in ${credentialsPath(env)}.`);
    });
}

async function readPassword(question: string): Promise<string> {
  if (process.stdin.isTTY) return prompt(question);
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  return (text.split('\n')[0] ?? '').replace(/\r$/, '');
}

/** Asks without showing what is typed. */
function prompt(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (): void => {
      stdin.setRawMode(false);
      stdin.pause();
      stdin.off('data', read);
      stderr.write('\n');
    };
    const read = (text: string): void => {
      for (const char of text) {
        if (char === '\r' || char === '\n' || char === '\u0004') {
          end();
          resolve(typed);
          return;
        }
        if (char === '\u0003') {
          end();
          reject(new AvkError('AVK_CANCELLED', 'not signed in'));
          return;
        }
        if (char === '\u007f' || char === '\b') typed = [...typed].slice(0, -1).join('');
        else if (char === '\u0015') typed = '';
        else if (char >= ' ') typed += char;
      }
    };
    stdin.on('data', read);
  });
}
