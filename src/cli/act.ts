import { BadConfig } from './options/config.ts';

/**
 * Runs a command to its end. Prints errors as readable lines. The exit code is 1 for a failure and
 * 2 for wrong usage.
 */
export async function act(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const lines = error instanceof BadConfig ? error.lines : [(error as Error).message];
    for (const line of lines) process.stderr.write(`gear: ${line}\n`);
    process.exitCode = error instanceof BadConfig ? 2 : 1;
  }
}
