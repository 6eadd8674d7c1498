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
import { median, printRow, printTitle, ratios } from './table.ts';

const warmUp = 3;
const body = JSON.stringify({ ports: [{ internal: 8080 }] });

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

/**
 * Changes a gear of the tree's own. The tests' client would compare the answers of an old tree with
 * today's document.
 */
async function change({ name, url }: Tree, method: string, image = '', body?: string): Promise<void> {
  const query = new URLSearchParams({ u: '0', d: '1', r: name, i: newId(), ...(image && { t: image }) });
  const headers = { Prefer: 'wait=60', 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/container?${query}`, { method, headers, ...(body && { body }) });
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
      const took = await milliseconds(() => change(tree, 'PUT', 'geard/sample', body));
      await change(tree, 'DELETE');
      if (i >= 0) tree.took.push(took);
    }
} finally {
  await close(old);
  await close(now);
}
const ms = ({ took }: Tree) => `${Math.round(median(took))} ms`;
printTitle();
printRow({
  what: 'one install, beside the old tree',
  ours: ms(now),
  theirs: ms(old),
  ...ratios(now.took, old.took),
});
process.exit(0);
