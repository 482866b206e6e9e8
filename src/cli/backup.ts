import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf, interrupted } from './command.ts';
import { bytes } from './format.ts';
import { createOutput } from './output.ts';

/** `avishkar backup FILE`: a copy of all of a platform's state, taken while it runs. */
export function backupCommand(): Command {
  return clientCommand('backup', 'Writes a copy of all state of a platform that is up: databases, apps, keys')
    .argument('<file>', 'the zip to write; it holds the keys of all secrets')
    .action(async (file: string, options: { url?: string; json?: boolean }) => {
      const { client, out } = contextOf(options);
      if (existsSync(file)) throw new AvkError('AVK_CONFLICT', `${file} is there already; choose another name`);
      out.hint(`Copying the state of ${client.url} …`);
      const part = `${file}.part`;
      try {
        const body = await client.download('/api/platform/backup/', interrupted());
        await pipeline(Readable.from(body), createWriteStream(part, { mode: 0o600, flush: true }));
        await rename(part, file);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
      const { size } = await stat(file);
      if (out.json) out.document({ file, bytes: size });
      out.say(`${file} (${bytes(size)}) holds all of it, its keys too: keep it like a password.`);
      out.hint(`To go back to it: npx avishkar restore ${file} --home DIR`);
    });
}

/** `avishkar restore FILE`: makes a home of a backup; no platform may run on it. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('Makes a home of a backup; start the platform on it afterwards')
    .argument('<file>', 'what avishkar backup wrote')
    .option('--home <dir>', 'the home to make (default: ~/.avishkar)')
    .option('--replace', 'set a home that is there aside; it is renamed, not removed')
    .option('--json', 'answer in JSON')
    .action(async (file: string, options: { home?: string; replace?: boolean; json?: boolean }) => {
      const out = createOutput(options.json === true);
      const { restoreBackup } = await import('../main/restore.ts');
      const stamp = new Date(clock.now()).toISOString().replace(/[:.]/g, '-');
      const home = options.home ?? join(homedir(), '.avishkar');
      const restored = await restoreBackup(file, home, { replace: options.replace === true, stamp });
      if (out.json) return out.document(restored);
      const made = new Date(restored.createdAt).toLocaleString();
      out.say(`${restored.home} is as it was on ${made} (${restored.files} files).`);
      if (restored.setAside) out.say(`What was there before is now ${restored.setAside}`);
      out.say(`Start it: npx avishkar up${options.home ? ` --home ${options.home}` : ''}`);
    });
}
