import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabHost } from '../lab/lab-host.ts';
import { isCopy } from '../plan/operation.ts';

/** By name, what is wrong with each repository below a directory of a host; null: nothing. */
export async function lookAtRepositories(
  host: LabHost,
  directory: string,
): Promise<Map<string, string | null>> {
  const all = await readdir(host.path(directory)).catch(() => [] as string[]);
  const names = all.filter((name) => !name.startsWith('.'));
  return new Map(
    await Promise.all(names.map(async (name) => [name, await faultOf(host, join(directory, name))] as const)),
  );
}

/** What a bare repository of geard's must hold, whatever else is in it. */
const contents = {
  HEAD: /^ref: refs\/heads\/\S+\n$/,
  config: /^\tbare = true$[\s\S]*^\tjob = [0-9a-f]{32}$/m,
};

async function faultOf(host: LabHost, repository: string): Promise<string | null> {
  const inside = host.path(repository);
  for (const [name, whole] of Object.entries(contents)) {
    const text = await readFile(join(inside, name), 'utf8').catch(() => null);
    if (text === null) return `${name} is absent`;
    if (!whole.test(text)) return `${name} says ${JSON.stringify(text)}`;
  }
  const isThere = (path: string) => readdir(join(inside, path)).catch(() => null);
  const [refs, objects, packs] = await Promise.all(['refs', 'objects', 'objects/pack'].map(isThere));
  if (!refs || !objects) return 'it has no directory of refs or objects';
  const empty = !packs?.length && objects.every((name) => name === 'info' || name === 'pack');
  if (empty && !isCopy(repository)) return null;
  const git = ['git', '-c', 'safe.directory=*', `--git-dir=${repository}`];
  const head = await host.run(...git, 'rev-parse', '--verify', 'HEAD^{commit}');
  if (head.status !== 0) return `HEAD names no commit: ${head.stderr.trim()}`;
  const { status, stderr } = await host.run(...git, 'fsck', '--full', '--no-dangling', '--no-progress');
  return status === 0 ? null : `git fsck: ${stderr.trim()}`;
}
