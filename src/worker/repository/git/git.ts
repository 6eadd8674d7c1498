import { Failure } from '../../../jobs/errors.ts';
import { MiB } from '../../../jobs/fields/bytes.ts';
import { exec, openProgram, type Program } from '../../../lib/exec.ts';
import { gitUser } from './git-user.ts';

/** Milliseconds a question to git may take. */
const deadline = 10_000;

/**
 * git reads no configuration but the repository's own, which is ours, and runs as nobody's user:
 * what it reads was written by strangers.
 */
const env = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  HOME: '/nonexistent',
  GIT_NO_LAZY_FETCH: '1',
};

const common = (repository: string) => [
  `--git-dir=${repository}`,
  ...['-c', `safe.directory=${repository}`], // It is root's.
  ...['-c', 'core.hooksPath=/dev/null', '-c', 'core.attributesFile=/dev/null', '-c', 'protocol.allow=never'],
];

/** git ends with this where the answer is no, and with others where it could not find out. */
const saysNo = 1;

/**
 * What git prints, trimmed; null where it says no. Throws `internal` when it cannot read the
 * repository.
 */
export async function askGit(
  repository: string,
  args: string[],
  signal?: AbortSignal,
): Promise<string | null> {
  const options = { deadline, user: gitUser, env, ...(signal ? { signal } : {}) };
  const { status, stdout, stderr } = await exec('git', [...common(repository), ...args], options);
  if (status === 0) return stdout.trim();
  if (status === saysNo) return null;
  throw new Failure('internal', 'git cannot read the repository', { cause: new Error(stderr.trim()) });
}

/**
 * Bytes of memory and seconds of computing that git may take: a tree may hold itself a billion
 * times.
 */
const archiveLimits = ['--as=4294967296', '--cpu=1800', '--core=0'];

/**
 * Large files are not held in memory but passed on as they are read; what is remembered of others
 * is little.
 */
const sparing = [
  ...['core.bigFileThreshold=1m', 'core.deltaBaseCacheLimit=16m'],
  ...['pack.threads=1', 'pack.windowMemory=32m', 'pack.deltaCacheSize=16m'],
].flatMap((setting) => ['-c', setting]);

/**
 * Checks every object of a repository (git-fsck(1)). Cloning does so by itself except from a "dumb"
 * HTTP server, whose objects are taken one by one as they come. Returns what is wrong, or null.
 * Rejects after so many seconds.
 */
export async function findFault(
  repository: string,
  seconds: number,
  signal: AbortSignal,
): Promise<string | null> {
  const args = ['fsck', '--strict', '--full', '--no-dangling', '--no-progress'];
  const words = [...archiveLimits, '--', 'git', ...common(repository), ...args];
  const options = { deadline: seconds * 1000, user: gitUser, env, signal, maxOutput: 16 * 1024 };
  const { status, stderr, stdout } = await exec('prlimit', words, options);
  if (status === 0) return null;
  const [said = 'it is damaged'] =
    /^(?:error|fatal|missing) .*$|^(?:error|fatal): .*$/m.exec(`${stderr}\n${stdout}`) ?? [];
  return said.replaceAll(repository, 'the repository').slice(0, 300); // Paths of a host are its own.
}

/**
 * Runs git for what it prints, within limits: of its memory what it writes to counts, not the files
 * that it maps. Where memory runs short on the host it is ended before anything else (choom(1)),
 * and where processors are short it waits for others (nice(1)).
 */
export function openGit(repository: string, args: string[], megabytes: number): Program {
  const limits = ['prlimit', ...archiveLimits, `--data=${megabytes * MiB}`];
  const git = ['git', ...common(repository), ...sparing, ...args];
  const words = ['-n', '1000', '--', 'nice', '-n', '10', ...limits, '--', ...git];
  return openProgram('choom', words, { user: gitUser, env });
}

/** The commit HEAD names; null while there is none. */
export function headOf(repository: string): Promise<string | null> {
  return askGit(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
}
