import { Failure } from '../../jobs/errors.ts';
import type { Params, Result } from '../../jobs/registry.ts';
import type { Handler, JobContext } from '../context.ts';
import { jobContainer, jobUnit } from '../domain/paths.ts';
import { mustTakeNew } from '../draining.ts';
import { ensureImage } from '../ensure-image.ts';
import { isOnDisk } from '../on-disk.ts';
import { type CloneSource, resolveSource } from '../repository/clone-source.ts';
import {
  adoptDraft,
  draftOf,
  hasDraft,
  makerOf,
  moveIntoPlace,
  openDraft,
  removeDraft,
} from '../repository/draft.ts';
import { askGit, findFault, headOf } from '../repository/git.ts';
import { gitContainer } from '../repository/git-container.ts';
import { runGitUnit, stopGitUnit, tooManyObjects } from '../repository/run-git-unit.ts';
import type { Room } from '../room.ts';

/** Makes a bare repository, empty or as a clone, beside its place, checks it and moves it there. */
export const create: Handler<'repository.create'> = {
  async run({ resource, url }, context) {
    const { room, job, signal, report } = context;
    signal.throwIfAborted();
    if (await isOnDisk(room.paths, 'repository', resource)) {
      // An attempt that was cut short may have come this far.
      if ((await makerOf(room.paths, resource)) !== job)
        throw new Failure('repository_exists', `the repository ${resource} exists already`);
      return made(room, resource);
    }
    await mustTakeNew(context);
    const source = url === null ? null : await resolveSource(url, room.repositories.allowance);
    await ensureImage(room.repositories.image, context);
    await makeDraft(resource, source, context);
    report({ step: 'check', message: 'checking the repository' });
    const draft = draftOf(room.paths, resource, job);
    const repository = await adoptDraft(draft, job, room.repositories.limits);
    await mustBeSmallEnough(room, repository);
    if (source !== null) await mustBeSound(context, repository);
    signal.throwIfAborted();
    await moveIntoPlace(room.paths, repository, resource);
    await removeDraft(draft);
    return made(room, resource);
  },

  async undo({ resource }, { room, job }) {
    const draft = draftOf(room.paths, resource, job);
    await stopGitUnit(room, resource, job);
    await removeDraft(draft);
    return '';
  },
};

async function makeDraft(
  resource: Params<'repository.create'>['resource'],
  source: CloneSource | null,
  context: JobContext,
): Promise<void> {
  const { room, job, report } = context;
  const { image, limits } = room.repositories;
  const directory = draftOf(room.paths, resource, job);
  const message = source === null ? 'making an empty repository' : `cloning ${source.url}`;
  report({ step: 'git', message: `${message} by ${jobUnit(resource)}` });
  const container = jobContainer(resource);
  const command = gitContainer({ container, image, job, directory, source, limits });
  await runGitUnit(context, resource, {
    command,
    prepare: () => openDraft(directory),
    isPrepared: () => hasDraft(directory),
  });
}

async function mustBeSound({ room, signal }: JobContext, repository: string): Promise<void> {
  const { seconds } = room.repositories.limits;
  const fault = await findFault(repository, seconds, signal).catch((error: Error) => {
    signal.throwIfAborted();
    if (error.name !== 'AbortError') throw error;
    throw new Failure('timeout', `checking the repository took longer than ${seconds} s`);
  });
  if (fault !== null) throw new Failure('clone_failed', `git does not accept the repository: ${fault}`);
}

async function mustBeSmallEnough({ repositories }: Room, repository: string): Promise<void> {
  const { objects } = repositories.limits;
  const counted = (await askGit(repository, ['count-objects', '-v'])) ?? '';
  const sum = [...counted.matchAll(/^(?:count|in-pack): (\d+)$/gm)].reduce(
    (all, [, n]) => all + Number(n),
    0,
  );
  if (sum > objects) throw tooManyObjects(objects);
}

async function made({ paths }: Room, resource: string): Promise<Result<'repository.create'>> {
  const path = paths.repository(resource);
  return { unit: jobUnit(resource), path, head: await headOf(path) };
}
