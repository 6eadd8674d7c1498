import type { Command } from 'commander';
import { version } from './version.ts';

export interface CommandEntry {
  /** What follows the name in the list of commands. */
  takes: string;
  summary: string;
  /**
   * Adds options, subcommands and the action. Loads what the command needs for its help, and no
   * more.
   */
  fill(command: Command): Promise<void>;
}

const role = (name: 'daemon' | 'api' | 'worker', summary: string): CommandEntry => ({
  takes: '[options]',
  summary,
  fill: async (command) => (await import('./roles/command.ts')).fillRole(command, name),
});

/** Every command by its name, in the order in which help lists them. */
export const commands: Record<string, CommandEntry> = {
  daemon: role(
    'daemon',
    'run api and worker in one process, with a Redis of its own unless --redis is given',
  ),
  api: role('api', 'run the HTTP API: validate tokens, accept jobs, answer reads'),
  worker: role('worker', 'run the jobs of this host, with systemd and Docker; one worker per host'),
  host: {
    takes: '',
    summary: 'add, list, drain, compare, repair and remove the hosts of a fleet',
    fill: async (command) => (await import('./host/command.ts')).fillHost(command),
  },
  token: {
    takes: '',
    summary: 'create keys and tokens, and inspect tokens',
    fill: async (command) => (await import('./token/command.ts')).fillToken(command),
  },
  openapi: {
    takes: '',
    summary: 'print the OpenAPI document of the HTTP API',
    fill: async (command) => {
      const { openApiDocument } = await import('../api/openapi/document.ts');
      const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
      // It is more than a pipe takes at once, and the process ends when the action does.
      const print = () => new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
      command.allowExcessArguments(false).action(print);
    },
  },
  'redis-acl': {
    takes: '[options] <role>',
    summary: 'print the line of a Redis ACL file for an api, for the worker of a host, or for administrators',
    fill: async (command) => (await import('./redis-acl-command.ts')).fillRedisAcl(command),
  },
};
