import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs a module's text in a process of its own, which may import the project's files by their URLs, and resolves once
 * it printed `word`; `kill` ends it as a power cut would.
 */
export async function startChild(source: string, word: string): Promise<{ kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    await printed(child, word);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function printed(child: ChildProcess, word: string): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const note = (chunk: Buffer): void => {
      output += String(chunk);
      if (output.includes(word)) resolve();
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    child.once('error', reject);
    child.once('close', () => reject(new Error(`the child ended without printing ${word}: ${output}`)));
  });
}
