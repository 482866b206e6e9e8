import type { Command } from 'commander';
import { appsAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { ago, bytes, table } from './format.ts';

const MOST_DESCRIPTION = 60;

/** `avishkar apps`: what can be deployed. */
export function appsCommand(): Command {
  return clientCommand('apps', 'Lists the apps that can be deployed').action(
    async (options: { url?: string; json?: boolean }) => {
      const { client, out } = contextOf(options);
      const answer = await client.get('/api/baseApp/getapps/', appsAnswer);
      if (out.json) return out.document(answer);
      if (answer.apps.length === 0) return out.say('There are no apps yet. Upload one: npx avishkar upload FOLDER');
      const rows = answer.apps.flatMap(({ name, versions }) => {
        const [newest] = versions;
        if (!newest) return [];
        const { manifest, version, sizeBytes, uploadedAt, uploadedBy } = newest;
        const older = versions.length > 1 ? ` (+${versions.length - 1})` : '';
        const uploaded = `${ago(uploadedAt, clock.now())} by ${uploadedBy}`;
        const text = shorten(manifest.description.split('\n')[0] ?? '');
        return [[name, `${version}${older}`, manifest.runtime, bytes(sizeBytes), uploaded, text]];
      });
      out.say(table(['NAME', 'VERSION', 'RUNTIME', 'SIZE', 'UPLOADED', 'DESCRIPTION'], rows, out.paint));
    },
  );
}

function shorten(text: string): string {
  return text.length > MOST_DESCRIPTION ? `${text.slice(0, MOST_DESCRIPTION - 1)}…` : text;
}
