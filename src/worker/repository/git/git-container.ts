import { MiB } from '../../../jobs/fields/bytes.ts';
import type { ContainerRun } from '../../engine/engine.ts';
import type { CloneSource } from '../clone-source.ts';
import { gitUser } from './git-user.ts';

/** What a clone may take at most. */
export interface CloneLimits {
  seconds: number;
  /** Of one pack, and of the repository as a whole. */
  megabytes: number;
  objects: number;
}

/**
 * Where the container finds its working directory; the repository is made in it under this name.
 */
const inside = '/work';
export const draftName = 'repository';
/** What a copy is made from, in the working directory. */
export const bundleName = 'bundle';

/** What git is to do. `branch` is what HEAD is to name. */
export type GitTask =
  | { make: 'empty'; branch: string }
  | { make: 'copy'; branch: string }
  | { make: 'clone'; source: CloneSource };

/** What HEAD names where nothing is said. */
export const defaultBranch = 'main';

/**
 * The container that makes a repository: nothing of the host but one empty directory, no
 * capability, no user but its own, and no name but the source's to be resolved.
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

/** git reads no configuration, asks nobody, and speaks the one protocol of the URL. */
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
      return [...head(task.branch), 'init', '--bare', '--quiet', '--template=', draftName];
    case 'copy':
      return clone(task.branch, '--mirror', `${inside}/${bundleName}`);
    case 'clone':
      return clone(defaultBranch, '--bare', task.source.url);
  }
}

/** Of the branches that HEAD could mean git takes this one, also where none is there. */
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
  return [...settings, 'clone', how, '--progress', '--no-local', '--template=', '--', url, draftName];
}
