import { AvkError, messageOf } from '../../../domain/errors.ts';
import { type KnownHostKey, parseHostKey } from '../../../domain/host-key.ts';

/** Of which machine a sentence speaks, and how the platform signs in there. */
export interface Machine {
  name: string;
  address: string;
  port: number;
  username: string;
  privateKey: { path: string } | { agent: string };
}

/** `VM1 (10.77.0.11)` */
export function place({ name, address, port }: Machine): string {
  return port === 22 ? `${name} (${address})` : `${name} (${address}:${port})`;
}

export function unreachable(machine: Machine, why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_HOST_UNREACHABLE', `${place(machine)} cannot be reached over SSH: ${why}.`, { cause });
}

/** The machine lets nobody in, or not for this; it does so until somebody changes something. */
export function refused(machine: Machine, why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_HOST_REFUSED', `${place(machine)} ${why}`, { cause });
}

/** Why no connection could be made, from what the SSH library or the socket said. */
export function connectFailure(machine: Machine, error: Error): AvkError {
  const { code, level } = error as NodeJS.ErrnoException & { level?: string };
  const { username, privateKey } = machine;
  if (level === 'client-authentication') {
    const shown = 'path' in privateKey ? `with the key ${privateKey.path}` : 'with the keys of the SSH agent';
    const copy = 'path' in privateKey ? `ssh-copy-id -i ${privateKey.path}.pub ` : 'ssh-copy-id ';
    return refused(
      machine,
      `does not let the user ${username} in ${shown}: put the public key into ~${username}/.ssh/authorized_keys there, ` +
        `e.g. with: ${copy}${username}@${machine.address}`,
      error,
    );
  }
  if (level === 'agent' && 'agent' in privateKey) {
    return new AvkError(
      'AVK_HOST_REFUSED',
      `The platform cannot sign in to ${place(machine)}: the SSH agent at ${privateKey.agent} does not answer.`,
      { cause: error },
    );
  }
  return unreachable(machine, whyNot(error, code), error);
}

function whyNot(error: Error, code: string | undefined): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there, so its SSH server may be down';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no way to that address';
    case 'ETIMEDOUT':
      return 'it does not answer';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its address is not known';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was broken off';
  }
  if (/timed out while waiting for handshake/i.test(error.message)) return 'it does not answer';
  if (/lost before handshake/i.test(error.message)) return 'the connection was broken off';
  return messageOf(error).replace(/\.$/, '');
}

/** The machine shows another host key than the one that is known. */
export function hostKeyChanged(
  machine: Machine,
  known: KnownHostKey,
  shown: { type: string; fingerprint: string },
  source: { given: true } | { given: false; where: string },
): AvkError {
  const advice = source.given
    ? `If it was set up anew, or if the one in the configuration is of another kind than ${shown.type}, correct its hostKey there`
    : `If it was set up anew, remove ${machine.name} from ${source.where}`;
  return new AvkError(
    'AVK_HOST_KEY_CHANGED',
    `${place(machine)} shows the host key ${shown.type} ${shown.fingerprint}, but is known by ` +
      `${known.type ? `${known.type} ` : ''}${known.fingerprint}: it may be another machine, so nothing was sent to it. ` +
      `${advice}; otherwise find out who answers at that address.`,
    { retryable: false },
  );
}

/** A host key that was given or pinned, as it can be compared. */
export function knownHostKey(machine: Machine, text: string, where: string): KnownHostKey {
  const known = parseHostKey(text);
  if (known) return known;
  throw new AvkError(
    'AVK_BAD_CONFIG',
    `The host key of ${machine.name} in ${where} cannot be read: it has to be SHA256:… or the line of a public key.`,
  );
}
