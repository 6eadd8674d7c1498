import { refName } from '../../jobs/fields/identifier.ts';
import type { CopyHead } from '../../jobs/rpc/copy.ts';
import type { OpenStream, StreamArgs } from '../../jobs/rpc/streams.ts';
import type { HostServices } from '../host-services.ts';
import { requireRepository } from '../host-state/on-disk.ts';
import { askGit, openGit } from '../repository/git/git.ts';
import { outputOf } from '../repository/git/git-output.ts';

/**
 * Streams a whole repository for a copy, in the format of jobs/rpc/copy.ts. Throws
 * `repository_not_found`.
 */
export async function repositoryBundle(
  { paths, limits }: HostServices,
  { resource }: StreamArgs<'repository.bundle'>,
  signal: AbortSignal,
): Promise<OpenStream<'repository.bundle'>> {
  const repository = await requireRepository(paths, resource);
  const empty = !(await askGit(repository, ['for-each-ref', '--count=1']));
  const head: CopyHead = { branch: await branchOf(repository), empty };
  const bundle = empty
    ? []
    : await outputOf(
        openGit(repository, ['bundle', 'create', '--quiet', '-', '--all'], limits.archiveMegabytes),
        'the bundle',
        signal,
      );
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${JSON.stringify(head)}\n`);
    yield* bundle;
  }
  return { head: {}, body: body() };
}

/** The branch that HEAD names; null when HEAD names a commit, or no valid branch name of ours. */
async function branchOf(repository: string): Promise<string | null> {
  const target = await askGit(repository, ['symbolic-ref', '--quiet', 'HEAD']);
  const branch = refName.safeParse(target?.replace(/^refs\/heads\//, ''));
  return target?.startsWith('refs/heads/') && branch.success ? branch.data : null;
}
