import { AvkError } from '../domain/errors.ts';
import { random } from './clock.ts';

/*
 * Passwords never stand in the arguments, where all of the machine could read them: they are asked for without being
 * shown, or come on standard input, one a line.
 */

/** Where a command gets the passwords it needs. */
export interface PasswordSource {
  /** @throws AvkError AVK_BAD_REQUEST when it is empty */
  ask(question: string): Promise<string>;
  /** A new one: typed twice, so that a slip does not lock anybody out. */
  askNew(question: string): Promise<string>;
}

/** @param piped read standard input also when it is a terminal */
export function passwordSource(piped = false): PasswordSource {
  const typed = process.stdin.isTTY === true && !piped;
  const lines = typed ? null : linesOf(process.stdin);
  const next = async (question: string): Promise<string> => {
    const password = lines === null ? await prompt(question) : await nextOf(lines);
    if (password === '') throw new AvkError('AVK_BAD_REQUEST', 'the password is empty; nothing was tried');
    return password;
  };
  return {
    ask: next,
    async askNew(question) {
      const password = await next(question);
      if (typed && (await next('Again, to be sure: ')) !== password) {
        throw new AvkError('AVK_BAD_REQUEST', 'the two passwords differ; nothing was changed');
      }
      return password;
    },
  };
}

/** 96 bits, easy to copy. */
export function madePassword(): string {
  return Buffer.from(random.bytes(12)).toString('base64url');
}

/** Standard input keeps the process only while a line of it is waited for: whoever holds the other end may never close it. */
async function nextOf(lines: AsyncGenerator<string, string>): Promise<string> {
  const stdin: Partial<Pick<NodeJS.ReadStream, 'ref' | 'unref'>> = process.stdin;
  stdin.ref?.();
  try {
    return (await lines.next()).value ?? '';
  } finally {
    stdin.unref?.();
  }
}

async function* linesOf(stream: NodeJS.ReadStream): AsyncGenerator<string, string> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  return rest.replace(/\r$/, '');
}

/** Asks without showing what is typed. */
function prompt(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (): void => {
      stdin.setRawMode(false);
      stdin.pause();
      stdin.off('data', read);
      stderr.write('\n');
    };
    const read = (text: string): void => {
      for (const char of text) {
        if (char === '\r' || char === '\n' || char === '\u0004') {
          end();
          resolve(typed);
          return;
        }
        if (char === '\u0003') {
          end();
          reject(new AvkError('AVK_CANCELLED', 'nothing was done'));
          return;
        }
        if (char === '\u007f' || char === '\b') typed = [...typed].slice(0, -1).join('');
        else if (char === '\u0015') typed = '';
        else if (char >= ' ') typed += char;
      }
    };
    stdin.on('data', read);
  });
}
