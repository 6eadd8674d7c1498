/**
 * One tenant that presses a fleet until it is killed, and says so once it does. A process of its own, so that what it costs is
 * not in what is measured. Comes again a second after each 429, as that asks for.
 *
 *   press.ts URL limits     at all of its limits at once; has met every one of them when it says so
 *   press.ts URL reads      reads only, as fast as it is answered: lists of gears, and a job that has ended
 */
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import { newId } from '../../test/support/client.ts';

setPriority(19); // A tenant's client is elsewhere, and takes no processor of the host's.
const [url = '', how = ''] = process.argv.slice(2);
const limits = new Set([
  ...['userRequests', 'userWaits', 'userStreams', 'userArchives', 'userJobs', 'userQueueMegabytes'],
]);
const gears = 20;
/** Characters of a variable, of which an installation has three. */
const [large, small] = [25_000, 10];

/** Requests whose bodies never come: in flight for as long as the api has patience. */
function hold(): void {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const path = `${pathname}/container/stopped?r=alice-0&i=${newId()}`;
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n`);
  socket.resume();
  socket.on('error', () => undefined);
  socket.once('close', () => setTimeout(hold, 1_000));
}

/** Reads an answer as text, or its bytes, which need no costly decoding; or lets it stand. */
type Takes = 'text' | 'bytes' | 'nothing';

/** Sends a request and takes the answer. */
async function send(path: string, init: RequestInit = {}, takes: Takes = 'text'): Promise<unknown> {
  const response = await fetch(`${url}/${path}`, init);
  if (response.status === 429) {
    const { limit } = (await response.json()) as Problem;
    if (limits.delete(String(limit)) && limits.size === 0) console.log('pressing');
    await pause(1_000);
    return null;
  }
  if (takes === 'text') return response.text();
  if (takes === 'nothing') {
    await pause(20_000);
    return response.body?.cancel();
  }
  for await (const _ of response.body ?? []); // The end must be read.
  return null;
}

let made = 0;
let last = '';
async function install(size: number): Promise<void> {
  const body = JSON.stringify({
    ports: [{ internal: 8080 }],
    env: Array.from({ length: 3 }, (_, n) => ({ name: `N${n}`, value: `${made}${'x'.repeat(size)}` })),
  });
  const path = `container?r=alice-${made++ % gears}&t=geard/sample&i=${newId()}`;
  const told = await send(path, { method: 'PUT', body });
  if (told !== null) last = (JSON.parse(String(told)) as Job).id;
}

/** Does something over and over, so many times side by side. */
function again(count: number, work: (n: number) => Promise<unknown>): void {
  for (let n = 0; n < count; n++)
    void (async () => {
      for (;;) await work(n).catch(() => pause(100));
    })();
}

async function readOnly(): Promise<void> {
  while (last === '') await install(small);
  await send(`job/${last}?wait=60`);
  again(32, () => send('containers'));
  again(128, () => send(`job/${last}?wait=60`));
  console.log('pressing');
}

async function meetAllLimits(): Promise<void> {
  // Its jobs first, for later they would wait for a place among its own requests: up to the bytes, and then to the number.
  for (const [limit, size] of [
    ['userQueueMegabytes', large],
    ['userJobs', small],
  ] as const)
    while (limits.has(limit)) await install(size);
  again(4, (n) => install(n === 0 ? large : small));
  for (let n = 0; n < 40; n++) hold();
  again(32, () => send('containers'));
  again(140, () => send('container/log?r=alice-0&for=600'));
  again(140, () => send(`job/${last}?wait=60`));
  again(6, (n) => send('content?t=gitarchive&r=alice-git', {}, n % 2 === 0 ? 'bytes' : 'nothing'));
}

await (how === 'reads' ? readOnly() : meetAllLimits());
