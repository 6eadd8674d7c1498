import { BadConfig } from './options/config.ts';

type Words = (error: Error) => string;

/**
 * Runs a command that ends by itself: errors in readable lines, 1 where it failed, 2 where it was
 * used wrongly.
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

/** What an error says to the person who has used a command. */
export const linesOf = (error: Error, wordsOf: Words = ({ message }) => message): readonly string[] =>
  error instanceof BadConfig ? error.lines : [wordsOf(error)];
