import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeKeys, readKeyring, readMinterKey } from '../../../src/token/key-files.ts';
import { mintToken } from '../../../src/token/mint.ts';
import { openToken } from '../../../src/token/open-token.ts';
import { ok } from '../../support/run.ts';
import { now } from '../../support/tokens.ts';

/** The commands of a step of docs/tokens.md. */
function commandsOf(step: string): string[] {
  const page = readFileSync('docs/tokens.md', 'utf8').split('## Rotation')[1] ?? '';
  const text = page.split(/^\d\. /m).find((one) => one.startsWith(`**${step}**`)) ?? '';
  return [...text.matchAll(/^ {7}(\S.*?)(?: +#.*)?$/gm)].map(([, command = '']) => command);
}

test.each([
  ['A new issuer', 'issuer', '.issuer.pub'],
  ['A new daemon key', 'daemon', '.daemon.key'],
] as const)('%s: while the keys are exchanged as docs/tokens.md says, tokens are accepted', async (step, role, part) => {
  const root = await mkdtemp(join(tmpdir(), 'geard-rotation-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const [place, fresh, hosts] = ['DIR', 'NEW', 'hosts'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  /** Copies the keys of a directory that end so to apis and workers. */
  const bring = (from: string, ...ends: string[]) => {
    for (const name of readdirSync(from).filter((one) => ends.some((end) => one.endsWith(end))))
      copyFileSync(join(from, name), join(hosts, name));
  };
  const minted = async () => {
    const [issuer, daemon] = [await readMinterKey(place, 'issuer'), await readMinterKey(place, 'daemon')];
    const token = await mintToken({ aud: 'geard', d: now() + 60 }, issuer, daemon);
    return openToken(token, (await readKeyring(hosts)).keyring);
  };
  // Keys of the same second have no order.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 60_000 });
  await makeKeys(place, ['issuer', 'daemon']);
  vi.useRealTimers();
  mkdirSync(hosts, { mode: 0o700 });
  bring(place, '.issuer.pub', '.daemon.key');
  const before = await minted();

  const commands = commandsOf(step);
  expect(commands.length).toBeGreaterThan(1);
  for (const command of commands) {
    const words = command.split(' ');
    if (command.startsWith('gear token keygen'))
      await makeKeys(join(root, words.at(-1) ?? ''), [words[4] as typeof role]);
    else await ok('sh', '-c', `cd ${root} && ${command}`);
    expect(await minted(), command).toHaveProperty(role);
    if (command.startsWith('gear token keygen')) bring(fresh, part);
  }
  expect(await minted()).not.toHaveProperty(role, (before as { [id in typeof role]: string })[role]);
});
