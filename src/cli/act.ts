import { BadConfig } from './options/config.ts';

/**
 * Runs a command that ends by itself: errors in readable lines, 1 where it failed, 2 where it was
 * used wrongly.
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
