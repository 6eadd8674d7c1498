import { Failure } from '../../jobs/errors.ts';
import type { OpenStream, StreamArgs } from '../../jobs/rpc/streams.ts';
import type { HostServices } from '../host-services.ts';
import { requireRepository } from '../host-state/on-disk.ts';
import { hashOf, openGit } from '../repository/git/git.ts';
import { outputOf } from '../repository/git/git-output.ts';
import { resolveRef } from '../repository/resolve-ref.ts';

/**
 * Streams `git archive` of a ref. Throws `repository_not_found`, `repository_empty` or
 * `ref_not_found`.
 */
export async function contentArchive(
  { paths, limits }: HostServices,
  { resource, ref, format, known }: StreamArgs<'content.archive'>,
  signal: AbortSignal,
): Promise<OpenStream<'content.archive'>> {
  const repository = await requireRepository(paths, resource);
  const commit = await resolveRef(repository, ref);
  const tree = await hashOf(repository, `${commit}^{tree}`);
  if (!tree) throw new Failure('internal', 'the commit has no tree');
  const entity = `${tree}-${format}`;
  const head = {
    // Weak: the files are the same, their times are those of the commit (RFC 9110, 8.8.1).
    etag: `W/"${entity}"`,
    filename: `${plain(resource)}-${plain(ref ?? 'HEAD')}.${format}`,
    notModified: known.includes('*') || known.includes(entity),
  };
  if (head.notModified) return { head, body: nothing() };
  // A commit, not its tree: files get the commit's time, so the same commit gives the same bytes.
  const program = openGit(repository, ['archive', `--format=${format}`, commit], limits.archiveMegabytes);
  return { head, body: await outputOf(program, 'the archive', signal) };
}

/** Ref names may contain characters that a header must not. */
const plain = (name: string) => name.replace(/[^A-Za-z0-9_.-]/g, '-');

async function* nothing(): AsyncGenerator<Uint8Array> {}
