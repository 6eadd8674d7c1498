import { MiB } from '../../../jobs/fields/bytes.ts';
import type { ContainerRun } from '../../engine/engine.ts';
import type { CloneLimits } from '../clone-limits.ts';
import type { CloneSource } from '../clone-source.ts';
import { gitUser } from './git-user.ts';

/** The container's working directory, and the name of the repository that git makes in it. */
const inside = '/work';
export const repositoryName = 'repository';
/** The bundle in the working directory that a copy is made from. */
export const bundleName = 'bundle';

/** A task for git. HEAD names `branch` afterwards. */
export type GitTask =
  | { make: 'empty'; branch: string }
  | { make: 'copy'; branch: string }
  | { make: 'clone'; source: CloneSource };

/** The branch that HEAD names by default. */
export const defaultBranch = 'main';

/**
 * The container that makes a repository. It sees nothing of the host but one directory, has no
 * capabilities and its own user, and resolves no name but the source's.
 */
export function gitContainer(options: {
  container: string;
  image: string;
  job: string;
  directory: string;
  task: GitTask;
  limits: CloneLimits;
}): ContainerRun {
  const { container, image, job, directory, task, limits } = options;
  const source = task.make === 'clone' ? task.source : null;
  return {
    name: container,
    owner: { job },
    image,
    entrypoint: 'git',
    command: words(task),
    user: gitUser,
    readOnlyExceptTmp: '16m',
    pids: 64,
    memory: 1024 * MiB,
    swap: false,
    fileBytes: limits.megabytes * MiB,
    network: source === null ? 'none' : source.loopback ? 'host' : 'bridge',
    hosts: source?.hosts,
    env: variables(task),
    volumes: [{ from: directory, path: inside }],
    directory: inside,
  };
}

/** git reads no configuration, prompts for nothing, and speaks only the protocol of the URL. */
function variables(task: GitTask): string[] {
  return [
    'HOME=/tmp',
    'GIT_CONFIG_NOSYSTEM=1',
    'GIT_CONFIG_GLOBAL=/dev/null',
    'GIT_TERMINAL_PROMPT=0',
    'GIT_ASKPASS=/bin/false',
    `GIT_ALLOW_PROTOCOL=${protocol(task)}`,
  ];
}

function protocol(task: GitTask): string {
  if (task.make === 'clone') return task.source.scheme;
  return task.make === 'copy' ? 'file' : 'none';
}

function words(task: GitTask): string[] {
  switch (task.make) {
    case 'empty':
      return [...head(task.branch), 'init', '--bare', '--quiet', '--template=', repositoryName];
    case 'copy':
      return clone(task.branch, '--mirror', `${inside}/${bundleName}`);
    case 'clone':
      return clone(defaultBranch, '--bare', task.source.url);
  }
}

/** git takes this branch when HEAD could mean several, and when there is none. */
const head = (branch: string) => ['-c', `init.defaultBranch=${branch}`];

/** A dumb server's alternates count as redirects (git-config(1), http.followRedirects). */
const cloneSettings = [
  'core.hooksPath=/dev/null',
  'credential.helper=',
  'http.followRedirects=false',
  'http.lowSpeedLimit=1000',
  'http.lowSpeedTime=60',
  'transfer.fsckObjects=true',
  'transfer.bundleURI=false',
  'submodule.recurse=false',
];

function clone(branch: string, how: '--bare' | '--mirror', url: string): string[] {
  const settings = [...head(branch), ...cloneSettings.flatMap((setting) => ['-c', setting])];
  return [...settings, 'clone', how, '--progress', '--no-local', '--template=', '--', url, repositoryName];
}
