import { Command, Option } from 'commander';
import { GeardError, type OperationName } from '../../client/client.ts';
import { act, linesOf } from '../act.ts';
import { BadConfig, type Flags } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { OutputClosed } from './output.ts';
import { explain, openSession, type Session, settleUser } from './session.ts';

/** One use of a command: the session, its flags, and its arguments one after the other. */
export interface Call<F = Flags> extends Session {
  flags: F & Flags;
  args: readonly string[];
}

/** What the arguments of a command may be names of. */
export type NameKind = 'gear' | 'host' | 'job';

/** A command that asks an api. */
export interface Row<F = Flags> {
  /** The requests that it may send. A test holds that no request is without a command. */
  sends: readonly OperationName[];
  /** Its arguments as commander has them. Default: what the list of commands says. */
  takes?: string;
  summary?: string;
  /** What its arguments are names of, for shells to complete them. */
  names?: NameKind;
  options?: readonly Option[];
  /** It changes something: by a job that is followed, or at once. Default: it does not. */
  changes?: 'by job' | 'at once';
  /** Whether its answer is a document of the api, so that it takes --json. Default: true. */
  json?: false;
  /** Returns the exit code. Throws where it fails. */
  run(call: Call<F>): Promise<number>;
}

const rows = new WeakMap<Command, Row<never>>();

/** The row that a command was filled with. */
export const rowOf = (command: Command): Row<never> | undefined => rows.get(command);

/** Adds the row's options and its action to a command. */
export function fillRow(command: Command, row: Row<never>): Command {
  rows.set(command, row);
  command.allowExcessArguments(false).showHelpAfterError('(--help shows how it is used)');
  if (row.takes !== undefined) command.arguments(row.takes);
  if (row.summary !== undefined) command.description(row.summary);
  for (const option of row.options ?? []) command.addOption(option);
  if (row.changes === 'by job') for (const option of changeOptions()) command.addOption(option);
  command.optionsGroup('Which api, and how its answer is shown:');
  for (const name of ['api', 'tokenFile', ...(row.changes ? (['user'] as const) : [])] as const)
    command.addOption(optionFor(name));
  command.option('--context <name>', 'the api and the token that gear context has under this name');
  if (row.json !== false) command.option('--json', 'print the documents of the api, one in a line');
  return command
    .option('-q, --quiet', 'print data only')
    .option('--no-color', 'print without colours [NO_COLOR]')
    .action((...given: unknown[]) => perform(row, given));
}

/** Adds a command below another one for each row. */
export function fillRows(group: Command, rowsByName: Record<string, Row<never>>): Command {
  group.enablePositionalOptions();
  for (const [name, row] of Object.entries(rowsByName)) group.addCommand(fillRow(new Command(name), row));
  return group;
}

const changeOptions = () => [
  new Option('--key <key>', 'the Idempotency-Key: the same command with the same key is one request'),
  new Option('--detach', 'do not wait for the end of the job; print its id'),
  new Option('--expires <seconds>', 'how long the job may wait for its host; default: one day'),
];

/** What commander hands over: the arguments, its options, and the command itself. */
async function perform(row: Row<never>, given: unknown[]): Promise<void> {
  const flags = given.at(-2) as Flags;
  const args = given
    .slice(0, -2)
    .flat()
    .filter((word) => word !== undefined) as string[];
  await act(async () => {
    const session = await openSession(flags);
    try {
      if (row.changes) await settleUser(session);
      return await row.run({ ...session, flags: flags as never, args });
    } catch (error) {
      return tellError(session, error as Error);
    }
  });
}

/** Says what went wrong, and returns the exit code for it. */
export function tellError(session: Session, error: Error, name?: string): number {
  if (session.signal.aborted) return 130;
  if (error instanceof OutputClosed) return 0;
  const prefix = name === undefined ? 'gear' : `gear: ${name}`;
  for (const line of linesOf(error, (one) => explain(one, session.connection)))
    session.note(`${prefix}: ${line}`);
  const isWrongUse = error instanceof BadConfig || (error instanceof GeardError && error.status === 400);
  return isWrongUse ? 2 : 1;
}
