import { Failure, hostUnavailable } from '../../../jobs/errors.ts';
import { MiB } from '../../../jobs/fields/bytes.ts';
import { exec, openProgram, type Program } from '../../../lib/exec.ts';
import { gitUser } from './git-user.ts';

/** Timeout for a query to git, in milliseconds. */
const deadline = 10_000;

/**
 * git reads only the repository's own configuration, which is ours, and runs as a user without an
 * account: strangers wrote its input.
 */
const env = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  HOME: '/nonexistent',
  GIT_NO_LAZY_FETCH: '1',
};

const configured = (...settings: string[]) => settings.flatMap((setting) => ['-c', setting]);

const common = (repository: string) => [
  `--git-dir=${repository}`,
  ...configured(
    `safe.directory=${repository}`, // root owns it.
    'core.hooksPath=/dev/null',
    'core.attributesFile=/dev/null',
    'protocol.allow=never',
  ),
];

/** git's exit status when the answer is no. With other statuses it could not find out. */
const saysNo = 1;

/**
 * git's output, trimmed; null when the answer is no. Throws `internal` when git cannot read the
 * repository.
 */
export async function askGit(repository: string, args: string[]): Promise<string | null> {
  const words = [...common(repository), ...args];
  const { status, stdout, stderr } = await exec('git', words, { deadline, user: gitUser, env }).catch(
    (error: Error) => {
      throw error.name === 'AbortError' ? hostUnavailable('git did not answer in time', error) : error;
    },
  );
  if (status === 0) return stdout.trim();
  if (status === saysNo) return null;
  throw new Failure('internal', 'git cannot read the repository', { cause: new Error(stderr.trim()) });
}

/**
 * Limits on git's memory in bytes and its CPU time in seconds: a tree may contain itself a billion
 * times.
 */
const limits = ['prlimit', '--as=4294967296', '--cpu=1800', '--core=0'];

/**
 * Arguments of choom(1): when the host runs out of memory, the kernel kills git first; when
 * processors are busy, git yields to others (nice(1)).
 */
const giveWay = ['-n', '1000', '--', 'nice', '-n', '10'];

/** git streams large files instead of holding them in memory, and caches little of the others. */
const sparing = configured(
  'core.bigFileThreshold=1m',
  'core.deltaBaseCacheLimit=16m',
  'pack.threads=1',
  'pack.windowMemory=32m',
  'pack.deltaCacheSize=16m',
);

/**
 * Checks every object of a repository (git-fsck(1)). A clone does so itself, except from a "dumb"
 * HTTP server, where git takes objects one by one. Returns the fault, or null. Rejects after the
 * given number of seconds.
 */
export async function findFault(
  repository: string,
  seconds: number,
  signal: AbortSignal,
): Promise<string | null> {
  const args = ['fsck', '--strict', '--full', '--no-dangling', '--no-progress'];
  const words = [...giveWay, ...limits, '--', 'git', ...common(repository), ...sparing, ...args];
  const options = { deadline: seconds * 1000, user: gitUser, env, signal, maxOutput: 16 * 1024 };
  const { status, stderr, stdout } = await exec('choom', words, options);
  if (status === 0) return null;
  if (status === null) return 'the check needs more memory or processor time than there is for it';
  const [said = 'it is damaged'] =
    /^(?:error|fatal|missing) .*$|^(?:error|fatal): .*$/m.exec(`${stderr}\n${stdout}`) ?? [];
  return said.replaceAll(repository, 'the repository').slice(0, 300); // Hides the host's paths.
}

/**
 * Runs git for its output, within limits. The memory limit counts memory that git writes to, not
 * files that it maps.
 */
export function openGit(repository: string, args: string[], megabytes: number): Program {
  const git = ['git', ...common(repository), ...sparing, ...args];
  const words = [...giveWay, ...limits, `--data=${megabytes * MiB}`, '--', ...git];
  return openProgram('choom', words, { user: gitUser, env });
}

/** The commit HEAD names; null while there is none. */
export const headOf = (repository: string) => hashOf(repository, 'HEAD^{commit}');

/** The hash of an object, named as in gitrevisions(7); null when there is none. */
export const hashOf = (repository: string, revision: string) =>
  askGit(repository, ['rev-parse', '--verify', '--quiet', revision]);
