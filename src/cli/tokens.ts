import { type Command, InvalidArgumentError, Option } from 'commander';
import { emptyAnswer, newTokenAnswer, tokensAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf, wholeNumber } from './command.ts';
import { ago, table } from './format.ts';
import { ROLES } from './users.ts';

const SCOPES = ['read', 'deploy', 'upload', 'admin'];

interface Options {
  url?: string;
  json?: boolean;
}

/** `avishkar tokens`: what programs sign in with. */
export function tokensCommand(): Command {
  return clientCommand('tokens', 'Lists the API tokens, makes and revokes them')
    .enablePositionalOptions()
    .action(list)
    .addCommand(createCommand())
    .addCommand(
      clientCommand('revoke', 'Revokes a token')
        .argument('<id>', 'its ID, as listed')
        .action(async (id: string, options: Options) => {
          const { client, out } = contextOf(options);
          await client.delete(`/api/tokens/${encodeURIComponent(id)}/`, emptyAnswer);
          if (out.json) return out.document({ id });
          out.say(`Token ${id} is revoked; within ten seconds it is refused everywhere.`);
        }),
    );
}

async function list(options: Options): Promise<void> {
  const { client, out } = contextOf(options);
  const answer = await client.get('/api/tokens/', tokensAnswer);
  if (out.json) return out.document(answer);
  const rows = answer.tokens.map((token) => [
    token.id,
    token.name,
    token.username,
    token.role,
    token.scopes.length === 0 ? 'all' : token.scopes.join(','),
    token.expiresAt === null ? 'never' : new Date(token.expiresAt).toLocaleString(),
    token.lastUsedAt === null ? 'never' : ago(token.lastUsedAt, clock.now()),
  ]);
  out.say(table(['ID', 'NAME', 'USER', 'ROLE', 'SCOPES', 'EXPIRES', 'USED'], rows, out.paint));
}

function createCommand(): Command {
  return clientCommand('create', 'Makes a token, and shows it once')
    .argument('<name>', 'what it is for')
    .addOption(new Option('--role <role>', 'at most, and without it, the role of the user').choices(ROLES))
    .option(
      '--scope <scope>',
      `limit it to ${SCOPES.join(', ')}; may be repeated; without any it may all that the role may`,
      collectScope,
    )
    .option('--expires-in-days <n>', 'how long it is good for (default: until it is revoked)', wholeNumber)
    .option('--user <name>', 'whose token it is (default: your own)')
    .addHelpText('after', '\nPrograms use it as AVISHKAR_TOKEN, or in the header Authorization: Bearer TOKEN.')
    .action(
      async (
        name: string,
        options: Options & { role?: string; scope?: string[]; expiresInDays?: number; user?: string },
      ) => {
        const { client, out } = contextOf(options);
        const { role, scope: scopes, expiresInDays, user: username } = options;
        const made = await client.post('/api/tokens/', { name, username, role, scopes, expiresInDays }, newTokenAnswer);
        if (out.json) return out.document(made);
        out.say(made.token);
        out.hint(`That is token ${made.name} (${made.id}) of ${made.username}. It is shown this once.`);
      },
    );
}

function collectScope(text: string, before: string[] = []): string[] {
  const scopes = text.split(',');
  for (const scope of scopes) {
    if (!SCOPES.includes(scope)) throw new InvalidArgumentError(`Allowed scopes are ${SCOPES.join(', ')}.`);
  }
  return [...before, ...scopes];
}
