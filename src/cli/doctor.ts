import type { Command } from 'commander';
import { z } from 'zod';
import { type Check, checkSchema } from '../domain/check.ts';
import { AvkError, messageOf } from '../domain/errors.ts';
import { sayChecks } from './checks.ts';
import { clientCommand, contextOf } from './command.ts';

/** `avishkar doctor`: asks a platform that is up; looks at the home of one that is not. */
export function doctorCommand(): Command {
  return clientCommand('doctor', 'Looks for what is wrong, and says what to do about it')
    .option('--home <dir>', 'look at this home, also while no platform runs on it')
    .action(async (options: { url?: string; json?: boolean; home?: string }) => {
      const { client, out } = contextOf(options);
      const checks: Check[] = [];
      try {
        const answer = await client.get('/api/platform/doctor/', z.looseObject({ checks: z.array(checkSchema) }));
        checks.push({ name: 'address', status: 'ok', detail: `a platform answers at ${client.url}` }, ...answer.checks);
      } catch (error) {
        // Who may not ask is told so; that is no finding.
        if (error instanceof AvkError && ['AVK_UNAUTHENTICATED', 'AVK_FORBIDDEN'].includes(error.code)) throw error;
        checks.push({
          name: 'address',
          status: 'failed',
          detail: messageOf(error),
          ...(options.home === undefined ? { remedy: 'to look at its files, name them: --home DIR' } : {}),
        });
      }
      if (options.home !== undefined && checks.length === 1) {
        const { examineHome } = await import('../main/examine-home.ts');
        checks.push(...(await examineHome(options.home)));
      }
      if (out.json) out.document({ checks });
      sayChecks(out, checks);
    });
}
