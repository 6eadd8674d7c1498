import { homedir } from 'node:os';
import { join } from 'node:path';

/** The variables of this process, which nothing else reads. */
export const environment: Readonly<NodeJS.ProcessEnv> = process.env;

/** A user's contexts, and what is only kept to be quick (XDG Base Directory). */
export const contextsPath = () => join(userDirectory('XDG_CONFIG_HOME', '.config'), 'contexts.json');
export const cacheDirectory = () => userDirectory('XDG_CACHE_HOME', '.cache');

const userDirectory = (variable: string, usual: string) =>
  join(environment[variable] || join(homedir(), usual), 'geard');
