import type { Command } from 'commander';
import type { Flags } from '../options/config.ts';
import { optionFor, type Role, roleOptions } from '../options/options.ts';

/** `gear daemon`, `gear api`, `gear worker`: run until a signal ends them. */
export function fillRole(command: Command, role: Role): void {
  for (const name of roleOptions[role]) command.addOption(optionFor(name));
  command.action(async (flags: Flags) => {
    const { runRole } = await import('./run-role.ts');
    process.exitCode = await runRole(role, flags);
  });
}
