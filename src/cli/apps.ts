import type { Command } from 'commander';
import { z } from 'zod';
import { appsAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { ago, bytes, table } from './format.ts';

const MOST_DESCRIPTION = 60;

/** `avishkar apps`: what can be deployed, version by version; and how a version goes. */
export function appsCommand(): Command {
  return clientCommand('apps', 'Lists the apps that can be deployed, with their versions')
    .action(async (options: { url?: string; json?: boolean }) => {
      const { client, out } = contextOf(options);
      const answer = await client.get('/api/baseApp/getapps/', appsAnswer);
      if (out.json) return out.document(answer);
      if (answer.apps.length === 0) return out.say('There are no apps yet. Upload one: npx avishkar upload FOLDER');
      const rows = answer.apps.flatMap(({ name, versions }) =>
        versions.map(({ manifest, version, sizeBytes, uploadedAt, uploadedBy }, age) => {
          const uploaded = `${ago(uploadedAt, clock.now())} by ${uploadedBy}`;
          const text = age === 0 ? shorten(manifest.description.split('\n')[0] ?? '') : '';
          return [name, version, manifest.runtime, bytes(sizeBytes), uploaded, text];
        }),
      );
      out.say(table(['NAME', 'VERSION', 'RUNTIME', 'SIZE', 'UPLOADED', 'DESCRIPTION'], rows, out.paint));
    })
    .addCommand(removeCommand());
}

function removeCommand(): Command {
  return clientCommand('rm', 'Removes a version that no instance uses')
    .argument('<name>', 'an app')
    .argument('<version>', 'one of its versions')
    .exitOverride()
    .allowExcessArguments(false)
    .action(async (name: string, version: string, _options: unknown, command: Command) => {
      // --url and --json may stand before `rm`, too.
      const { client, out } = contextOf(command.optsWithGlobals());
      const path = `/api/baseApp/${encodeURIComponent(name)}/${encodeURIComponent(version)}/`;
      const answer = await client.delete(path, z.looseObject({}));
      if (out.json) return out.document(answer);
      out.say(`Removed ${name} ${version}.`);
    });
}

function shorten(text: string): string {
  return text.length > MOST_DESCRIPTION ? `${text.slice(0, MOST_DESCRIPTION - 1)}…` : text;
}
