import { Command, CommanderError } from 'commander';
import { VERSION } from '../main/version.ts';
import { reportError } from './output.ts';
import { upCommand } from './up.ts';

const program = new Command('avishkar')
  .description('A self-hosted application platform for distributed IoT')
  .version(VERSION)
  .showHelpAfterError('(try avishkar --help)')
  .exitOverride();
program.addCommand(upCommand());
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own message: help and version are no errors, the rest is wrong usage.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error);
}
