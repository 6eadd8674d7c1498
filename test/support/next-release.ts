import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A release after this one, whose jobs and questions this one does not know. */
export interface NextRelease {
  version: string;
  /** The path of its `gear`. */
  program: string;
  remove(): Promise<void>;
}

export async function makeNextRelease(): Promise<NextRelease> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-next-'));
  const version = '99.0.0';
  for (const part of ['bin', 'contrib', 'dist', 'package.json'])
    await cp(part, join(directory, part), { recursive: true });
  await symlink(resolve('node_modules'), join(directory, 'node_modules'));
  await change(join(directory, 'package.json'), /"version": "[^"]+"/, `"version": "${version}"`);
  const payload = /payloadVersion = (\d+)/;
  await change(join(directory, 'dist/jobs/payload-version.js'), payload, 'payloadVersion = 1 + $1');
  for (const type of ['container', 'environment', 'host', 'repository'])
    await change(join(directory, `dist/jobs/types/${type}.js`), /since: (\d+)/g, 'since: 1 + $1');
  return {
    version,
    program: join(directory, 'bin/gear'),
    remove: () => rm(directory, { recursive: true }),
  };
}

async function change(path: string, from: RegExp, to: string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const after = before.replace(from, to);
  if (after === before) throw new Error(`${path} does not say ${from}`);
  await writeFile(path, after);
}
