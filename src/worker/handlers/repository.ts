import { Failure, repositoryExists } from '../../jobs/errors.ts';
import type { Result } from '../../jobs/registry.ts';
import { copiedFrom } from '../../jobs/rpc/copy.ts';
import { jobContainer, jobUnit } from '../domain/paths.ts';
import type { HostServices } from '../host-services.ts';
import { assertTakesNew } from '../host-state/draining.ts';
import { isOnDisk } from '../host-state/on-disk.ts';
import { type Handler, type JobContext, staysInEffect } from '../jobs/context.ts';
import { tooManyObjects } from '../repository/clone-limits.ts';
import { resolveSource } from '../repository/clone-source.ts';
import {
  abandonDraft,
  adoptDraft,
  assertStillSmall,
  draftOf,
  hasDraft,
  makerOf,
  moveIntoPlace,
  openDraft,
  removeDraft,
} from '../repository/draft.ts';
import { fetchCopy } from '../repository/fetch-copy.ts';
import { askGit, findFault, headOf } from '../repository/git/git.ts';
import { defaultBranch, type GitTask, gitContainer } from '../repository/git/git-container.ts';
import { ensureGitImage } from '../repository/git/git-image.ts';
import { runGitUnit } from '../repository/git/run-git-unit.ts';

/** Makes a bare repository, empty or as a clone, beside its place, checks it and moves it there. */
export const create: Handler<'repository.create'> = {
  async run({ resource, url }, context) {
    const { services, job, signal, report } = context;
    signal.throwIfAborted();
    if (await isOnDisk(services.paths, 'repository', resource)) {
      // An interrupted attempt may have reached this point.
      if ((await makerOf(services.paths, resource)) !== job) throw repositoryExists(resource);
      await removeDraft(draftOf(services.paths, resource, job));
      return made(services, resource);
    }
    await assertTakesNew(context);
    const source = await draftSourceOf(url, services);
    const image = await ensureGitImage(context);
    await makeDraft(resource, source, image, context);
    report({ step: 'check', message: 'checking the repository' });
    const draft = draftOf(services.paths, resource, job);
    const repository = await adoptDraft(draft, job, services.repositories.limits);
    await assertSmallEnough(services, repository);
    if (url !== null) await assertSound(context, repository);
    await moveIntoPlace(services.paths, repository, resource, signal);
    await removeDraft(draft);
    return made(services, resource);
  },

  isCommitted: async ({ resource }, { services, job }) => (await makerOf(services.paths, resource)) === job,

  undo: ({ resource }, context) => removeUnfinished(resource, context),

  async abandon(resource, context) {
    const { services, job } = context;
    if ((await makerOf(services.paths, resource)) !== job) return removeUnfinished(resource, context);
    await removeDraft(draftOf(services.paths, resource, job));
    return staysInEffect;
  },
};

async function removeUnfinished(resource: string, { services, job }: JobContext): Promise<string> {
  await abandonDraft(services, resource, job);
  return '';
}

/**
 * The source of a repository: a task for git, or another repository of the fleet to fetch first.
 */
type DraftSource = { task: GitTask } | { copied: string };

async function draftSourceOf(url: string | null, { repositories }: HostServices): Promise<DraftSource> {
  if (url === null) return { task: { make: 'empty', branch: defaultBranch } };
  const copied = copiedFrom(url);
  if (copied !== null) return { copied };
  return { task: { make: 'clone', source: await resolveSource(url, repositories.allowance) } };
}

async function makeDraft(
  resource: string,
  source: DraftSource,
  image: string,
  context: JobContext,
): Promise<void> {
  const { services, job, report } = context;
  const { limits } = services.repositories;
  const directory = draftOf(services.paths, resource, job);
  report({ step: 'git', message: `${whatIsDone(source)} by ${jobUnit(resource)}` });
  const container = jobContainer(resource);
  await runGitUnit(context, resource, {
    prepare: async () => {
      await openDraft(directory);
      const task = 'task' in source ? source.task : await fetched(source.copied, directory, context);
      return gitContainer({ container, image, job, directory, task, limits });
    },
    isPrepared: () => hasDraft(directory),
    assertSmall: () => assertStillSmall(directory, limits),
  });
}

function whatIsDone(source: DraftSource): string {
  if ('copied' in source) return `copying ${source.copied}`;
  return source.task.make === 'clone' ? `cloning ${source.task.source.url}` : 'making an empty repository';
}

async function fetched(source: string, directory: string, context: JobContext): Promise<GitTask> {
  const { branch, empty } = await fetchCopy(source, directory, context);
  return { make: empty ? 'empty' : 'copy', branch: branch ?? defaultBranch };
}

async function assertSound({ services, signal }: JobContext, repository: string): Promise<void> {
  const { seconds } = services.repositories.limits;
  const fault = await findFault(repository, seconds, signal).catch((error: Error) => {
    signal.throwIfAborted();
    if (error.name !== 'AbortError') throw error;
    throw new Failure('timeout', `checking the repository took longer than ${seconds} s`);
  });
  if (fault !== null) throw new Failure('clone_failed', `git does not accept the repository: ${fault}`);
}

async function assertSmallEnough({ repositories }: HostServices, repository: string): Promise<void> {
  const { objects } = repositories.limits;
  const counted = (await askGit(repository, ['count-objects', '-v'])) ?? '';
  const counts = [...counted.matchAll(/^(?:count|in-pack): (\d+)$/gm)].map(([, n]) => Number(n));
  if (counts.reduce((sum, n) => sum + n, 0) > objects) throw tooManyObjects(objects);
}

async function made({ paths }: HostServices, resource: string): Promise<Result<'repository.create'>> {
  const path = paths.repository(resource);
  return { unit: jobUnit(resource), path, head: await headOf(path) };
}
