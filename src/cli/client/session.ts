import { type Client, type ClientOptions, createClient, GeardError } from '../../client/client.ts';
import { readSecret } from '../../lib/files/trusted-files.ts';
import { BrokenOff, fetchOnce, NotConnected } from '../../lib/http/fetch.ts';
import { testToken } from '../../token/claims.ts';
import { BadConfig, type Flags, readSettings } from '../options/config.ts';
import { environment } from '../options/environment.ts';
import { findContext } from './contexts.ts';
import { createOutput, type Output } from './output.ts';

/** One invocation of a command that calls an api. */
export interface Session extends Output {
  client: Client;
  connection: ClientOptions;
  /** Aborts when the user presses Ctrl-C. */
  signal: AbortSignal;
}

/** The user of jobs if neither the token nor a setting names one. */
const defaultUser = 'admin';
const retries = 4;

/** Opens a session from the flags, variables and contexts. Throws `BadConfig`. */
export async function openSession(flags: Flags): Promise<Session> {
  const output = createOutput(flags);
  const variables = await variablesFor(flags);
  const { api, tokenFile, user } = readSettings(['api', 'tokenFile', 'user'], flags, variables);
  const interrupt = new AbortController();
  process.once('SIGINT', () => {
    interrupt.abort(new Interrupted());
    process.stdin.destroy(); // Stops a pending read.
  });
  const connection: ClientOptions = {
    api,
    user,
    token: tokenFile === undefined ? testToken : await readToken(tokenFile),
    fetch: fetchOnce,
    retries,
    onRetry: (error, pause) =>
      output.tell(`${reasonOf(error, connection)}; trying again in ${pause / 1000} s`),
  };
  return { ...output, client: createClient(connection), connection, signal: interrupt.signal };
}

/**
 * Returns the variables that replace missing flags. A named context replaces the variables as a
 * whole, and so does the context in use if nothing else names an api. `--api` discards them if they
 * name another one: no token goes to an api that it is not for.
 */
async function variablesFor(flags: Flags): Promise<NodeJS.ProcessEnv> {
  const { api, context } = flags as { api?: string; context?: string };
  const own = environment['GEARD_API'];
  if (context !== undefined && api !== undefined)
    throw new BadConfig('--context says where the api is; leave out --api');
  if (api !== undefined) return own === undefined || own === api ? environment : {};
  if (context === undefined && own !== undefined) return environment;
  const found = await findContext(context);
  if (!found) return environment;
  return { GEARD_API: found.api, GEARD_TOKEN_FILE: found.tokenFile, GEARD_USER: found.user };
}

/**
 * Sets the default user for changes, unless there is one or the token fixes one: such a token
 * allows no other user.
 */
export async function settleUser({ connection, client, signal }: Session): Promise<void> {
  if (connection.user !== undefined) return;
  const isFixed = connection.token !== testToken && (await client.whoami({}, { signal })).user !== null;
  if (!isFixed) connection.user = defaultUser;
}

async function readToken(file: string): Promise<string> {
  const token = (await readSecret(file)).trim();
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new BadConfig(`--token-file: there is no token in the first line of ${file}`);
}

/** The user has pressed Ctrl-C. The api continues accepted work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

function reasonOf(error: Error, { api }: ClientOptions): string {
  if (!(error instanceof TypeError)) return error.message;
  const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
  const what = error instanceof BrokenOff ? 'has broken off its answer' : 'cannot be reached';
  return `the api at ${api} ${what} (${code ?? message})`;
}

/** The statuses with which a proxy says that it has no answer from geard. */
const withoutAnswer: readonly unknown[] = [502, 504];

/** Whether the api may have got a request all the same that has ended with this error. */
export function mayHaveArrived(error: Error): boolean {
  if (!(error instanceof GeardError)) return error instanceof TypeError && !(error instanceof NotConnected);
  return error.code === undefined && withoutAnswer.includes(error.status);
}

/** Describes an error and how to fix it. `back`: how to come back to the request, told apart. */
export function describeError(error: Error, connection: ClientOptions, back?: string): string {
  if (error instanceof BrokenOff)
    return `${reasonOf(error, connection)}${back === undefined ? '; run the command again' : ''}`;
  if (error instanceof TypeError)
    return `${reasonOf(error, connection)}; is gear daemon running there? --api names another address`;
  if (!(error instanceof GeardError)) return error.message;
  if (error.code === undefined) return `${error.message}; --api names another address`;
  if (error.status !== 401) return error.message;
  return `${error.message}\n${otherToken(connection)}`;
}

function otherToken({ token }: ClientOptions): string {
  if (token !== testToken)
    return 'the token in --token-file has expired, or is for another fleet; see "gear token inspect"';
  const how = 'this api does not accept the test token; name a file that holds a token with --token-file';
  // The variable is for another api than the one called; see variablesFor.
  if (environment['GEARD_TOKEN_FILE'] !== undefined)
    return `${how}: GEARD_TOKEN_FILE is not read beside a context in use, or an --api other than GEARD_API`;
  return `${how}, see docs/tokens.md`;
}
