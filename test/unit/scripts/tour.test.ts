import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { execute } from '../../../scripts/tour/execute.ts';
import type { Place } from '../../../scripts/tour/place.ts';
import { takeTour } from '../../../scripts/tour/steps.ts';
import { createClosers } from '../../../src/lib/async/closers.ts';
import { until } from '../../support/until.ts';

/** An api as curl shows it, whose jobs all succeed; the one of `slow` ends when the file `ended` is there. */
const curl = (directory: string, slow: string) => `#!/bin/sh
cd ${directory}
case "$*" in
*/job/${slow}/log) : >begun; n=0; until [ -e ended ] || [ $((n += 1)) -gt 1000 ]; do sleep 0.02; done ;;
*/job/*/log) ;;
*/job/*) echo '{"id":"a","state":"succeeded"}' ;;
*'-X PUT'*/container\\?*) echo '{"id":"container"}' ;;
*'-X PUT'*/repository\\?*) echo '{"id":"repository"}' ;;
*'-X PUT'*/container/*) echo "$*" >state; echo '{"id":"state"}' ;;
*'-X DELETE'*/container\\?*) echo "container, $(ls ended)" >>undone ;;
*/container/log*) echo serving on 8080 ;;
esac
`;

async function fakeApi(slow: string) {
  const directory = await mkdtemp(join(tmpdir(), 'geard-tour-'));
  await writeFile(join(directory, 'curl'), curl(directory, slow), { mode: 0o755 });
  const path = process.env['PATH'];
  process.env['PATH'] = `${directory}:${path}`;
  const silent = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(async () => {
    silent.mockRestore();
    process.env['PATH'] = path;
    await rm(directory, { recursive: true });
  });
  const file = (name: string) => join(directory, name);
  const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');
  return { file, read, has: (name: string) => existsSync(file(name)) };
}

test('a character of which a program prints a half at a time is whole', async () => {
  const script = "printf '\\303'; sleep 0.3; printf '\\251'";
  expect(await execute('sh', ['-c', script])).toEqual({ status: 0, output: 'é' });
});

test.each([
  'container',
  'repository',
])('a tour that is interrupted while its %s is made removes it', async (slow) => {
  const { file, read, has } = await fakeApi(slow);
  const place: Place = {
    async run(program) {
      if (program === 'rm') await writeFile(file('undone'), `repository, ${has('ended') ? 'ended' : ''}\n`);
      // Where the gear is removed meanwhile the tour gets no further.
      if (slow === 'container') return { status: 0, output: 'failed' };
      return { status: 0, output: read('state').includes('container/stopped') ? 'inactive' : 'active' };
    },
    prefix: '',
  };
  const closers = createClosers();
  const tour = takeTour(place, closers).catch(() => undefined);
  await until('it is being made', () => has('begun'));
  const closed = closers.close();
  await writeFile(file('ended'), '');
  await closed;
  const undone = ['repository, ended', 'container, ended'].filter(
    (line) => slow === 'repository' || line.startsWith(slow),
  );
  expect(read('undone').trim().split('\n')).toEqual(undone);
  await tour;
});
