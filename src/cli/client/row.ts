import { Command, Option } from 'commander';
import { GeardError, type OperationName } from '../../client/client.ts';
import { act } from '../act.ts';
import { BadConfig, type Flags } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { OutputClosed } from './output.ts';
import { describeError, openSession, type Session, settleUser } from './session.ts';

/** One invocation of a command: the session, its flags, and its arguments in order. */
export interface Call<F = Flags> extends Session {
  flags: F & Flags;
  args: readonly string[];
}

/** The kinds of names that arguments of a command may be. */
export type NameKind = 'gear' | 'host' | 'job';

/** A command that calls an api. */
export interface Row<F = Flags> {
  /** The requests that it may send. A test checks that every request has a command. */
  sends: readonly OperationName[];
  /** Its arguments in commander's syntax. Default: those in the list of commands. */
  takes?: string;
  summary?: string;
  /** The kind of names that its arguments are, for completion by shells. */
  names?: NameKind;
  options?: readonly Option[];
  /** How it changes something: by a job that it follows, or at once. Default: not at all. */
  changes?: 'by job' | 'at once';
  /** Whether its answer is a document of the api, so that it takes --json. Default: true. */
  json?: false;
  /** Runs the command. Returns the exit code; throws when it fails. */
  run(call: Call<F>): Promise<number>;
}

const rows = new WeakMap<Command, Row<never>>();

/** Returns the row that filled a command. */
export const rowOf = (command: Command): Row<never> | undefined => rows.get(command);

/** Adds the row's options and its action to a command. */
export function fillRow(command: Command, row: Row<never>): Command {
  rows.set(command, row);
  command.showHelpAfterError('(--help shows how it is used)');
  if (row.takes !== undefined) command.arguments(row.takes);
  if (row.summary !== undefined) command.description(row.summary);
  for (const option of row.options ?? []) command.addOption(option);
  if (row.changes === 'by job') for (const option of changeOptions()) command.addOption(option);
  command.optionsGroup('Connection and output:');
  for (const name of ['api', 'tokenFile', ...(row.changes ? (['user'] as const) : [])] as const)
    command.addOption(optionFor(name));
  command.option('--context <name>', 'the api and the token that gear context has under this name');
  if (row.json !== false) command.option('--json', 'print the documents of the api, one per line');
  return command
    .option('-q, --quiet', 'print data only')
    .option('--no-color', 'print without colours [NO_COLOR]')
    .action(() => perform(command, row));
}

/** Adds a subcommand for each row. */
export function fillRows(group: Command, rowsByName: Record<string, Row<never>>): Command {
  group.enablePositionalOptions();
  for (const [name, row] of Object.entries(rowsByName)) group.addCommand(fillRow(new Command(name), row));
  return group;
}

const changeOptions = () => [
  new Option('--key <key>', 'the Idempotency-Key: the same command with the same key is one request'),
  new Option('--detach', 'do not wait for the job to finish; print its id'),
  new Option('--expires <seconds>', 'how long the job may wait for its host; default: one day'),
];

/** Runs a row with the arguments and options that commander has parsed. */
async function perform(command: Command, row: Row<never>): Promise<void> {
  const flags: Flags = command.opts();
  await act(async () => {
    const session = await openSession(flags);
    try {
      if (row.changes) await settleUser(session);
      return await row.run({ ...session, flags: flags as never, args: command.args });
    } catch (error) {
      return tellError(session, error as Error);
    }
  });
}

/** Prints an error, and how to come back to its request. Returns the exit code. */
export function tellError(session: Session, error: Error, name?: string, back?: string): number {
  if (session.signal.aborted) return 130;
  if (error instanceof OutputClosed) return 0;
  const prefix = name === undefined ? 'gear' : `gear: ${name}`;
  const lines = error instanceof BadConfig ? error.lines : [describeError(error, session.connection, back)];
  for (const line of back === undefined ? lines : [...lines, back]) session.note(`${prefix}: ${line}`);
  const isWrongUse = error instanceof BadConfig || (error instanceof GeardError && error.status === 400);
  return isWrongUse ? 2 : 1;
}
