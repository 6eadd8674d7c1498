/**
 * What an installation takes in one tree beside another one, both built: PUTs to a daemon of each
 * in turns, on one host, until the gear listens. Run it on a host of the lab.
 * usage: node --import tsx bench/install-trees.ts OLD NEW [PAIRS]
 */
import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { newId } from '../test/support/client.ts';
import { makeBase, removeGearsOf, sampleImage } from '../test/support/daemon.ts';
import { end, startNode } from '../test/support/processes.ts';
import { milliseconds } from './install.ts';
import { median, ratios } from './table.ts';

const warmUp = 3;

interface Tree {
  name: string;
  base: string;
  url: string;
  process: ChildProcess;
  took: number[];
}

async function start(tree: string, name: string, port: number): Promise<Tree> {
  const base = await makeBase();
  const where = ['--base', base, '--listen', `127.0.0.1:${port}`, '--host', 'h1'];
  const process = await startNode([`${tree}/bin/gear`, 'daemon', '--test-token', ...where], /listens/);
  return { name, base, url: `http://127.0.0.1:${port}/token/__test__`, process, took: [] };
}

/** Changes a gear of the tree's own. */
async function change({ name, url }: Tree, method: string): Promise<void> {
  const query = `u=0&d=1&r=${name}&i=${newId()}${method === 'PUT' ? '&t=geard%2Fsample' : ''}`;
  const answer = await fetch(`${url}/container?${query}`, {
    method,
    headers: { Prefer: 'wait=60', 'Content-Type': 'application/json' },
    ...(method === 'PUT' && { body: JSON.stringify({ ports: [{ internal: 8080 }] }) }),
  });
  const said = await answer.text();
  if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${said}`);
}

async function close({ process, base }: Tree): Promise<void> {
  await end(process);
  await removeGearsOf(base);
  await rm(base, { recursive: true, force: true });
}

const [oldTree, newTree, pairs = '20'] = process.argv.slice(2);
if (oldTree === undefined || newTree === undefined) throw new Error('name two trees that are built');
await sampleImage();
const old = await start(oldTree, 'old', 12_225);
const now = await start(newTree, 'new', 12_226);
try {
  // Old, new, new, old: what changes in the course of time favours neither.
  for (let i = -warmUp; i < Number(pairs); i++)
    for (const tree of i % 2 === 0 ? [old, now] : [now, old]) {
      const took = await milliseconds(() => change(tree, 'PUT'));
      await change(tree, 'DELETE');
      if (i >= 0) tree.took.push(took);
    }
} finally {
  await close(old);
  await close(now);
}
const { value, spread } = ratios(now.took, old.took);
const [least, most] = spread.map((one) => one.toFixed(2));
console.log(
  `an installation: ${median(old.took).toFixed(0)} → ${median(now.took).toFixed(0)} ms; ratio ${value.toFixed(3)} (${least} to ${most})`,
);
process.exit(0);
