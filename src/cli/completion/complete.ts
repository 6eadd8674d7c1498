import { connectionFlags } from '../client/show.ts';
import type { Flags } from '../options/config.ts';
import type { OptionWords, Words } from './collect-words.ts';
import { namesOf } from './names.ts';
import { readWords } from './words.ts';

/** `gear __complete -- WORD…`: prints the candidates for the last word. */
export async function printWords(words: readonly string[]): Promise<void> {
  const given = words[0] === '--' ? words.slice(1) : words;
  // Pressing Tab never shows an error.
  const found = await complete(given).catch(() => []);
  process.stdout.write(found.map((word) => `${word}\n`).join(''));
}

/**
 * Returns the candidates for the last of the words after `gear`. Returns none where a file is
 * possible: shells complete files themselves.
 */
export async function complete(words: readonly string[]): Promise<string[]> {
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const command = findCommand(await readWords(), before);
  const asked = optionThatTakes(command, before.at(-1));
  const flags = connectionIn(before);
  const all = asked ? await valuesOf(asked, flags) : await wordsFor(command, last, flags);
  return all.filter((word) => word.startsWith(last));
}

function findCommand(program: Words, words: readonly string[]): Words {
  let command = program;
  for (const word of words)
    if (Object.hasOwn(command.commands, word)) command = command.commands[word] ?? command;
  return command;
}

const optionThatTakes = ({ options }: Words, word = '') =>
  options.find(({ names, takesValue }) => takesValue && names.includes(word));

/** Returns the flags that select the api. */
const connectionIn = (words: readonly string[]): Flags =>
  Object.fromEntries(
    words.flatMap((word, i) => {
      const name = connectionFlags.get(word);
      return name === undefined ? [] : [[name, words[i + 1]]];
    }),
  );

async function valuesOf({ choices, names }: OptionWords, flags: Flags): Promise<readonly string[]> {
  if (choices) return choices;
  if (names.includes('--context')) {
    const { readContexts } = await import('../client/contexts.ts');
    return Object.keys((await readContexts()).contexts);
  }
  return names.includes('--host') ? namesOf('host', flags) : [];
}

async function wordsFor({ options, commands, nameKind }: Words, last: string, given: Flags) {
  if (last.startsWith('-')) return [...options.flatMap((option) => option.names[0] ?? []), '--help'];
  return [...Object.keys(commands), ...(nameKind ? await namesOf(nameKind, given) : [])];
}
