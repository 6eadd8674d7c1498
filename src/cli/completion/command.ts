import { Argument, type Command } from 'commander';
import { scripts } from './scripts.ts';

/** `gear completion SHELL`: prints the completion script of a shell. */
export function fillCompletion(command: Command): void {
  command
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      '\nsource <(gear completion bash), or write it where your shell looks for such files',
    )
    .action((shell: keyof typeof scripts) => void process.stdout.write(scripts[shell]));
}
