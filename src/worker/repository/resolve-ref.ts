import { Failure } from '../../jobs/errors.ts';
import { askGit, hashOf, headOf } from './git/git.ts';

/**
 * Resolves a ref to a commit: a branch, then a tag, then a hash. Without a ref: the repository's
 * HEAD, or its only branch when HEAD names no existing one. Throws `ref_not_found` or
 * `repository_empty`.
 */
export async function resolveRef(repository: string, ref: string | null): Promise<string> {
  const commit = ref === null ? await defaultCommit(repository) : await named(repository, ref);
  if (commit !== null) return commit;
  if (!(await askGit(repository, ['for-each-ref', '--count=1'])))
    throw new Failure('repository_empty', 'the repository has no commit yet; push one');
  throw new Failure(
    'ref_not_found',
    ref === null
      ? 'HEAD names a branch that does not exist; name one in the path: content/<branch>'
      : `the repository has no branch, tag or commit ${ref}`,
  );
}

async function named(repository: string, ref: string): Promise<string | null> {
  const hash = /^[0-9a-f]{4,64}$/.test(ref) ? [ref] : [];
  for (const candidate of [`refs/heads/${ref}`, `refs/tags/${ref}`, ...hash]) {
    const commit = await hashOf(repository, `${candidate}^{commit}`);
    if (commit) return commit;
  }
  return null;
}

async function defaultCommit(repository: string): Promise<string | null> {
  const head = await headOf(repository);
  if (head) return head;
  const query = ['for-each-ref', '--count=2', '--format=%(objectname)', 'refs/heads'];
  const branches = await askGit(repository, query);
  const [only, other] = (branches ?? '').split('\n').filter(Boolean);
  return only && !other ? only : null;
}
