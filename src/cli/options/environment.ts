import { homedir } from 'node:os';
import { join } from 'node:path';

/** The environment variables of this process. Nothing else reads them. */
export const environment: Readonly<NodeJS.ProcessEnv> = process.env;

/** Paths of a user's contexts and of the cache (XDG Base Directory). */
export const contextsPath = () => join(userDirectory('XDG_CONFIG_HOME', '.config'), 'contexts.json');
export const cacheDirectory = () => userDirectory('XDG_CACHE_HOME', '.cache');

const userDirectory = (variable: string, usual: string) =>
  join(environment[variable] || join(homedir(), usual), 'geard');
