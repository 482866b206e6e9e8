import type { Command } from 'commander';
import { emptyAnswer, userAnswer } from './answers.ts';
import { type Context, clientCommand, contextOf } from './command.ts';
import { createOutput } from './output.ts';
import { madePassword, type PasswordSource, passwordSource } from './password.ts';

interface Options {
  url?: string;
  json?: boolean;
  home?: string;
  generate?: true;
  passwordStdin?: true;
}

/** `avishkar passwd`: one's own password, as an administrator somebody else's, and a lost one on a stopped platform. */
export function passwdCommand(): Command {
  return clientCommand('passwd', 'Changes a password: your own, or as an administrator somebody else’s')
    .argument('[user]', 'whose (default: your own)')
    .option('--generate', 'make the new password, and show it once')
    .option(
      '--password-stdin',
      'read from standard input, one a line: the current password if it is your own, the new one',
    )
    .option('--home <dir>', 'set it in the home of a stopped platform, when the administrator’s password is lost')
    .action(async (user: string | undefined, options: Options) => {
      const source = passwordSource(options.passwordStdin);
      if (options.home !== undefined) return recover(options.home, user ?? 'admin', source, options);
      const context = contextOf(options);
      const me = await context.client.get('/api/users/me/', userAnswer);
      if (user === undefined || user.toLowerCase() === me.username.toLowerCase()) {
        await changeOwn(context, me.username, source, options);
      } else {
        await reset(context, user, source, options);
      }
    });
}

async function changeOwn(
  { client, out }: Context,
  name: string,
  source: PasswordSource,
  options: Options,
): Promise<void> {
  const currentPassword = await source.ask(`Current password of ${name} at ${client.url}: `);
  const { made, password } = await newPassword(source, name, options);
  await client.post('/api/users/me/password/', { currentPassword, newPassword: password }, emptyAnswer);
  tell(out, name, made, 'This sign-in goes on; all others have ended.');
}

async function reset({ client, out }: Context, name: string, source: PasswordSource, options: Options): Promise<void> {
  const { made, password } = await newPassword(source, name, options);
  const user = await client.patch(`/api/users/${encodeURIComponent(name)}/`, { password }, userAnswer);
  tell(out, user.username, made, 'Sign-ins with the old one have ended.');
}

async function recover(home: string, name: string, source: PasswordSource, options: Options): Promise<void> {
  const { made, password } = await newPassword(source, name, options);
  // Loaded here, as all other commands do without the platform.
  const { setPassword } = await import('../main/lost-password.ts');
  const { username } = await setPassword(home, name, password);
  tell(createOutput(options.json === true), username, made, 'Sign-ins with the old one have ended.');
}

async function newPassword(
  source: PasswordSource,
  name: string,
  options: Options,
): Promise<{ made: string | null; password: string }> {
  const made = options.generate ? madePassword() : null;
  return { made, password: made ?? (await source.askNew(`New password of ${name}: `)) };
}

function tell(out: Context['out'], username: string, made: string | null, then: string): void {
  if (out.json) out.document(made === null ? { username } : { username, password: made });
  out.say(`The password of ${username} is changed. ${then}`);
  if (made !== null) out.say(`The new password is ${made}\nIt is shown this once.`);
}
