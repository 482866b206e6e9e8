import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLEET } from './platform.ts';

/** Names of the fleet's VMs; none where machines are pretended. */
export function vms(): string[] {
  return FLEET === null ? [] : readdirSync(FLEET).filter((name) => name.startsWith('VM'));
}

/** What a program printed that was run on a VM as root, not through the network, by lines. */
export function inVm(vm: string, ...argv: string[]): string[] {
  const text = execFileSync('nsenter', ['--target', pidOf(vm), '--all', '--wd=/', '--', ...argv], { encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
}

export function docker(vm: string, ...args: string[]): string[] {
  return inVm(vm, 'docker', ...args);
}

/** Its first process, as this machine sees it. */
export function pidOf(vm: string): string {
  return readFileSync(join(FLEET ?? '', vm, 'pid'), 'utf8').trim();
}
