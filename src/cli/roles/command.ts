import type { Command } from 'commander';
import { optionFor, type Role, roleOptions } from '../options/options.ts';

/** `gear daemon`, `gear api`, `gear worker`: run until a signal ends them. */
export function fillRole(command: Command, role: Role): void {
  command.allowExcessArguments(false);
  for (const name of roleOptions[role]) command.addOption(optionFor(name));
  command.action(async (flags: Record<string, string | boolean | undefined>) => {
    const { runRole } = await import('./run-role.ts');
    process.exitCode = await runRole(role, flags);
  });
}
