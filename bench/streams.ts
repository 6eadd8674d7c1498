import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Transport } from '../src/jobs/rpc/streams.ts';
import { type Fleet, openFleet } from '../test/support/fleet.ts';
import { fillRepository } from '../test/support/repository.ts';
import { ok } from '../test/support/run.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 3;
const million = 1_000_000;
const lastLine = `\n${million} a line as long as lines of a log are\n`;
const archiveMegabytes = 100;

/** Milliseconds until a program has printed something; it is ended then. */
async function untilPrinted(wanted: string, program: string, ...args: string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let tail = Buffer.alloc(0);
  for await (const chunk of child.stdout) {
    tail = Buffer.concat([tail.subarray(-wanted.length), chunk as Buffer]);
    if (tail.includes(wanted)) break;
  }
  const took = performance.now() - started;
  child.kill('SIGKILL');
  return took;
}

/** Milliseconds until a program has ended well, with what it prints thrown away. */
async function untilEnded(program: string, ...args: string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} exited with ${code}`);
  return performance.now() - started;
}

/** Runs both sides in turn, and gives back what each took; the first round only warms up. */
async function sideBySide(ours: () => Promise<number>, theirs: () => Promise<number>) {
  const [us, them]: [number[], number[]] = [[], []];
  for (let i = -1; i < rounds; i++) {
    const took = [await ours(), await theirs()] as const;
    if (i < 0) continue;
    us.push(took[0]);
    them.push(took[1]);
  }
  return { us, them };
}

/** How many times as fast as the other side, where both were measured in milliseconds. */
const speed = (us: number[], them: number[]) => ratios(them, us);

/** Logs, archives and the first byte of a log, by both ways of transport, beside what they come from. */
export async function benchStreams(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const transport of ['direct', 'relay'] as const) {
    const fleet = await openFleet(transport, ['--gear-log-lines', '100000000']);
    try {
      rows.push(await benchLog(fleet, transport), await benchFirstByte(fleet, transport));
      rows.push(...(await benchArchive(fleet, transport)));
    } finally {
      await fleet.close();
    }
  }
  return rows;
}

async function benchLog(fleet: Fleet, transport: Transport): Promise<Row> {
  const r = `bench-log-${transport}`;
  const command = ['/bin/sh', '-c', 'exec sleep 100000'];
  await fleet.change('PUT', 'container', { r, t: 'geard/sample' }, { command });
  const write = `BEGIN { for (i = 1; i <= ${million}; i++) print i " a line as long as lines of a log are" }`;
  await ok('docker', 'exec', `gear-${r}`, '/bin/sh', '-c', `/bin/busybox awk '${write}' >/proc/1/fd/1`);
  await ok('journalctl', '--sync');
  const lines = String(million);
  const url = `${fleet.url}/container/log?r=${r}&for=600&lines=${lines}`;
  const { us, them } = await sideBySide(
    () => untilPrinted(lastLine, 'curl', '-sN', url),
    () => untilPrinted(lastLine, 'journalctl', '-q', '-f', '-o', 'cat', '-n', lines, '-u', `gear-${r}`),
  );
  const rate = (took: number[]) => `${Math.round(million / median(took))} k/s`;
  const what = `log lines by ${transport}, beside \`journalctl -f -o cat\` for the same million`;
  const reach = { atLeast: transport === 'direct' ? 0.7 : 0.5 };
  return { what, ours: rate(us), theirs: rate(them), ...speed(us, them), reach };
}

async function benchFirstByte(fleet: Fleet, transport: Transport): Promise<Row> {
  const r = `bench-log-${transport}`;
  const url = `${fleet.url}/container/log?r=${r}&for=600&lines=1`;
  const [us, them]: [number[], number[]] = [[], []];
  for (let i = 0; i < 15; i++) {
    us.push(await untilPrinted('\n', 'curl', '-sN', url));
    them.push(await untilPrinted('\n', 'journalctl', '-q', '-f', '-o', 'cat', '-n', '1', '-u', `gear-${r}`));
  }
  const more = median(us.map((value, i) => value - (them[i] as number)));
  const ms = (took: number[]) => `${Math.round(median(took))} ms`;
  const what = `first byte of a log by ${transport}, ms more than journalctl's own`;
  return { what, ours: ms(us), theirs: ms(them), value: more, reach: { atMost: 150 } };
}

async function benchArchive(fleet: Fleet, transport: Transport): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [kind, what, format] of [
    ['words', 'text', 'zip'],
    ['words', 'text', 'tar.gz'],
    ['random', 'what does not compress', 'zip'],
  ] as const) {
    const r = `bench-${kind}-${format}-${transport}`;
    await fleet.change('PUT', 'repository', { r });
    const repository = `${fleet.base}/git/${r}`;
    await fillRepository(repository, archiveMegabytes, kind);
    const url = `${fleet.url}/content?t=gitarchive&r=${r}&format=${format}`;
    const { us, them } = await sideBySide(
      () => untilEnded('curl', '-sSf', url),
      () => untilEnded('git', '--git-dir', repository, 'archive', `--format=${format}`, 'HEAD'),
    );
    const rate = (took: number[]) => `${Math.round((archiveMegabytes * 1000) / median(took))} MB/s`;
    const reach = { atLeast: transport === 'direct' ? 0.9 : 0.7 };
    rows.push({
      what: `${archiveMegabytes} MB of ${what} as ${format} by ${transport}, beside \`git archive\` to /dev/null`,
      ours: rate(us),
      theirs: rate(them),
      ...speed(us, them),
      reach,
    });
  }
  return rows;
}
