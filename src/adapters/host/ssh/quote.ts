/**
 * One text that a POSIX shell takes apart into exactly these arguments: SSH hands over a command as text, whatever one
 * would like. A NUL cannot be in an argument.
 *
 * @throws RangeError for an argument with a NUL
 */
export function quote(argv: readonly string[]): string {
  return argv.map(quoted).join(' ');
}

function quoted(argument: string): string {
  if (argument.includes('\0')) throw new RangeError('an argument of a program cannot contain a NUL');
  // Between single quotes nothing means anything but the next single quote.
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
