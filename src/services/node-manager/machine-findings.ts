import type { Check } from '../../domain/check.ts';
import type { CommandResult, Host } from '../../ports/host.ts';

/** A machine that is looked at, once it was signed in to. */
export interface Looking {
  host: Host;
  /** Of the account that the platform uses there. */
  user: string;
  run(argv: readonly [string, ...string[]]): Promise<CommandResult>;
}

export function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail };
}

/** The machine cannot be used like that. */
export function failed(name: string, detail: string, remedy?: string): Check {
  return { name, status: 'failed', detail, ...(remedy === undefined ? {} : { remedy }) };
}

/** It works, but not as well as it could. */
export function warning(name: string, detail: string, remedy: string): Check {
  return { name, status: 'warning', detail, remedy };
}
