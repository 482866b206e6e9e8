import { Command, InvalidArgumentError } from 'commander';
import { type Client, createClient, platformUrl } from './client.ts';
import { createOutput, type Output } from './output.ts';

/** What a command of a client works with. */
export interface Context {
  client: Client;
  out: Output;
  env: Record<string, string | undefined>;
}

/** A command that talks to a platform: it has --url and --json. */
export function clientCommand(usage: string, description: string): Command {
  return new Command(usage)
    .description(description)
    .option('--url <url>', 'the platform (default: AVISHKAR_URL, the one of the last login, http://127.0.0.1:8010)')
    .option('--json', 'answer in JSON');
}

export function contextOf(options: { url?: string; json?: boolean }): Context {
  const { env } = process;
  return { client: createClient(platformUrl(options.url, env), env), out: createOutput(options.json === true), env };
}

/** A whole number of at most nine digits, for commander. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

/** Ctrl-C as a signal: for what is waited for or followed. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}
