import { BadConfig } from './options/config.ts';

type Words = (error: Error) => string;

/**
 * Runs a command to its end. Prints errors as readable lines. The exit code is 1 for a failure and
 * 2 for wrong usage.
 */
export async function act(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const lines = linesOf(error as Error);
    for (const line of lines) process.stderr.write(`gear: ${line}\n`);
    process.exitCode = error instanceof BadConfig ? 2 : 1;
  }
}

/** Returns the lines that show an error to the user. */
export const linesOf = (error: Error, wordsOf: Words = ({ message }) => message): readonly string[] =>
  error instanceof BadConfig ? error.lines : [wordsOf(error)];
