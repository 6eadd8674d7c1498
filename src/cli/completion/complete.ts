import type { Command, Option } from 'commander';
import { readContexts } from '../client/contexts.ts';
import { rowOf } from '../client/row.ts';
import type { Flags } from '../options/config.ts';
import { namesOf } from './names.ts';

/**
 * What may stand in the place of the last word, for the words behind `gear`. Nothing where a file
 * may stand there: shells know files themselves. The program must have loaded the command that is
 * among the words.
 */
export async function complete(program: Command, words: readonly string[]): Promise<string[]> {
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const command = findCommand(program, before);
  const asked = optionThatTakes(command, before.at(-1));
  const flags = connectionIn(before);
  const all = asked ? await valuesOf(asked, flags) : await wordsFor(command, program, last, flags);
  return all.filter((word) => word.startsWith(last));
}

function findCommand(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) command = command.commands.find((child) => child.name() === word) ?? command;
  return command;
}

const optionThatTakes = ({ options }: Command, word = '') =>
  options.find(({ short, long, required }) => required && (short === word || long === word));

const connectionFlags = new Map([
  ['--api', 'api'],
  ['--token-file', 'tokenFile'],
  ['--context', 'context'],
]);

/** The flags among the words that say which api is asked. */
const connectionIn = (words: readonly string[]): Flags =>
  Object.fromEntries(
    words.flatMap((word, i) => {
      const name = connectionFlags.get(word);
      return name === undefined ? [] : [[name, words[i + 1]]];
    }),
  );

async function valuesOf({ argChoices, long }: Option, flags: Flags): Promise<readonly string[]> {
  if (argChoices) return argChoices;
  if (long === '--context') return Object.keys((await readContexts()).contexts);
  return long === '--host' ? namesOf('host', flags) : [];
}

async function wordsFor(command: Command, program: Command, last: string, given: Flags): Promise<string[]> {
  const flags = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  if (last.startsWith('-')) return [...flags, '--help'];
  const children = command.commands.map((child) => child.name()).filter((name) => !name.startsWith('_'));
  const names = rowOf(command)?.names;
  if (command === program || names === undefined) return children;
  return [...children, ...(await namesOf(names, given))];
}
