import { Argument, type Command } from 'commander';
import { complete } from './complete.ts';
import { scripts } from './scripts.ts';

/** `gear completion SHELL`: prints what makes a shell complete the words of gear. */
export function fillCompletion(command: Command): void {
  command
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .allowExcessArguments(false)
    .addHelpText(
      'after',
      '\nsource <(gear completion bash), or write it where your shell looks for such files',
    )
    .action((shell: keyof typeof scripts) => void process.stdout.write(scripts[shell]));
}

/** `gear __complete WORD…`: what the shells ask. Errors are no concern of who presses Tab. */
export function fillComplete(command: Command, wholeProgram: () => Promise<Command>): void {
  command
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const found = await complete(words, wholeProgram).catch(() => []);
      process.stdout.write(found.map((word) => `${word}\n`).join(''));
    });
}
