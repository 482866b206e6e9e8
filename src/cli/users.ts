import { Argument, type Command, Option } from 'commander';
import { emptyAnswer, userAnswer, usersAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { ago, table } from './format.ts';
import { madePassword, passwordSource } from './password.ts';

export const ROLES = ['user', 'developer', 'admin'];

interface Options {
  url?: string;
  json?: boolean;
}

/** `avishkar users`: who may use the platform, for administrators. */
export function usersCommand(): Command {
  return clientCommand('users', 'Lists the users, adds and removes them')
    .enablePositionalOptions()
    .action(list)
    .addCommand(addCommand())
    .addCommand(
      clientCommand('role', 'Gives a user a role')
        .argument('<name>', 'a user')
        .addArgument(new Argument('<role>', 'what the user may do').choices(ROLES))
        .action(async (name: string, role: string, options: Options) => {
          const { client, out } = contextOf(options);
          const user = await client.patch(`/api/users/${encodeURIComponent(name)}/`, { role }, userAnswer);
          if (out.json) return out.document(user);
          out.say(`${user.username} is ${user.role} now, and has to sign in again.`);
        }),
    )
    .addCommand(
      clientCommand('rm', 'Deletes a user with sessions and tokens; instances stay')
        .argument('<name>', 'a user')
        .action(async (name: string, options: Options) => {
          const { client, out } = contextOf(options);
          await client.delete(`/api/users/${encodeURIComponent(name)}/`, emptyAnswer);
          if (out.json) return out.document({ username: name });
          out.say(`${name} is deleted.`);
        }),
    );
}

async function list(options: Options): Promise<void> {
  const { client, out } = contextOf(options);
  const answer = await client.get('/api/users/', usersAnswer);
  if (out.json) return out.document(answer);
  const since = (at: string | null): string => (at === null ? 'never' : ago(at, clock.now()));
  const rows = answer.users.map((user) => [user.username, user.role, since(user.createdAt), since(user.lastLoginAt)]);
  out.say(table(['NAME', 'ROLE', 'ADDED', 'SIGNED IN'], rows, out.paint));
}

function addCommand(): Command {
  return clientCommand('add', 'Adds a user; the password is asked for')
    .argument('<name>', 'what the user signs in as')
    .addOption(new Option('--role <role>', 'what the user may do').choices(ROLES).default('user'))
    .option('--generate', 'make a password, and show it once')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, options: Options & { role: string; generate?: true; passwordStdin?: true }) => {
      const { client, out } = contextOf(options);
      const made = options.generate ? madePassword() : null;
      const password = made ?? (await passwordSource(options.passwordStdin).askNew(`Password of ${name}: `));
      const user = await client.post('/api/users/', { username: name, password, role: options.role }, userAnswer);
      if (out.json) return out.document(made === null ? user : { ...user, password: made });
      out.say(`${user.username} is added as ${user.role}.`);
      if (made !== null) out.say(`The password is ${made}\nIt is shown this once.`);
    });
}
