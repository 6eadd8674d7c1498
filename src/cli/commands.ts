import type { Command } from 'commander';
import type { Row } from './client/row.ts';
import { version } from './version.ts';

export interface CommandEntry {
  /** The arguments, as the list of commands shows them. */
  takes: string;
  summary: string;
  /**
   * Adds options, subcommands and the action. Loads only the modules that the command's help needs.
   */
  fill(command: Command): Promise<void>;
}

const role = (name: 'daemon' | 'api' | 'worker', summary: string): CommandEntry => ({
  takes: '[options]',
  summary,
  fill: async (command) => (await import('./roles/command.ts')).fillRole(command, name),
});

const gears = () => import('./client/commands/gears.ts');
const jobs = () => import('./client/commands/jobs.ts');
const requests = () => import('./client/commands/requests.ts');

/** Creates the entry of a command that calls an api. Loads its row only when it is used. */
const asking = (takes: string, summary: string, load: () => Promise<Row<never>>): CommandEntry => ({
  takes: `[options] ${takes}`.trim(),
  summary,
  fill: async (command) => {
    const { fillRow } = await import('./client/row.ts');
    fillRow(takes === '' ? command : command.arguments(takes), await load());
  },
});

/** Adds a subcommand to a group for each row. */
const fillGroup = async (group: Command, rows: Record<string, Row<never>>): Promise<void> =>
  void (await import('./client/row.ts')).fillRows(group, rows);

/** All commands by name, in the order of the help. */
export const commands: Record<string, CommandEntry> = {
  daemon: role(
    'daemon',
    'run api and worker in one process, with a Redis of its own unless --redis is given',
  ),
  api: {
    takes: '[options]',
    summary: 'run the HTTP API; with a method and a path, send any request to one',
    fill: async (command) => {
      (await import('./roles/command.ts')).fillRole(command, 'api');
      await fillGroup(command, (await requests()).anyRequest);
    },
  },
  worker: role('worker', 'run the jobs of this host, with systemd and Docker; one worker per host'),
  install: asking(
    '<name> <image> [command...]',
    'install or update a gear and start it',
    async () => (await import('./client/commands/install.ts')).install,
  ),
  start: asking('<name...>', 'start gears, now and after every reboot', async () => (await gears()).start),
  stop: asking('<name...>', 'stop gears, now and after every reboot', async () => (await gears()).stop),
  restart: asking('<name...>', 'restart gears', async () => (await gears()).restart),
  remove: asking('<name...>', 'stop and remove gears', async () => (await gears()).remove),
  ls: asking('[prefix]', 'list gears, also stopped ones', async () => (await gears()).ls),
  show: asking('<name>', 'show a gear: its state, its ports, its unit', async () => (await gears()).show),
  logs: asking(
    '<name...>',
    'print the logs of gears',
    async () => (await import('./client/commands/logs.ts')).logs,
  ),
  jobs: asking('', 'list jobs, the newest first', async () => (await jobs()).list),
  job: {
    takes: '[options] <id>',
    summary: 'show, follow or cancel a job',
    fill: async (command) => {
      const { read, cancel, log } = await jobs();
      await fillGroup(command, { cancel, log });
      (await import('./client/row.ts')).fillRow(command.arguments('<id>'), read);
    },
  },
  env: {
    takes: '',
    summary: 'show and change environments: variables for several gears of a host',
    fill: async (command) =>
      fillGroup(command, (await import('./client/commands/environments.ts')).environments),
  },
  repo: {
    takes: '',
    summary: 'create git repositories',
    fill: async (command) => {
      const { create } = await import('./client/commands/repositories.ts');
      await fillGroup(command, { create });
    },
  },
  archive: asking(
    '<name> [ref]',
    'fetch an archive of a repository',
    async () => (await import('./client/commands/repositories.ts')).archive,
  ),
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
  whoami: asking('', 'show what the token allows, and until when', async () => (await requests()).whoami),
  context: {
    takes: '',
    summary: 'save apis and their tokens under names',
    fill: async (command) => (await import('./client/context-commands.ts')).fillContext(command),
  },
  doctor: {
    takes: '[options]',
    summary: 'check what geard needs on this host, and show how to fix it',
    fill: async (command) => (await import('./doctor/command.ts')).fillDoctor(command),
  },
  openapi: {
    takes: '',
    summary: 'print the OpenAPI document of the HTTP API',
    fill: async (command) => {
      const { openApiDocument } = await import('../api/openapi/document.ts');
      const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
      // The text exceeds the buffer of a pipe, and the process ends when the action does.
      const print = () => new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
      command.action(print);
    },
  },
  completion: {
    takes: '<shell>',
    summary: 'print the completion script of gear for bash, zsh or fish',
    fill: async (command) => (await import('./completion/command.ts')).fillCompletion(command),
  },
  'redis-acl': {
    takes: '[options] <role>',
    summary: 'print the line of a Redis ACL file for an api, for the worker of a host, or for administrators',
    fill: async (command) => (await import('./redis-acl-command.ts')).fillRedisAcl(command),
  },
};
