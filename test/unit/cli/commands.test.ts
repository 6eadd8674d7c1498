import { Command, Help } from 'commander';
import { expect, test } from 'vitest';
import { commands } from '../../../src/cli/commands.ts';

// The list of commands in gear --help is written without loading them.
test.each(Object.entries(commands))('gear --help lists %s with what it takes', async (name, {
  takes,
  fill,
}) => {
  const command = new Command(name);
  await fill(command);
  expect(new Help().subcommandTerm(command)).toBe(`${name} ${takes}`.trim());
});
