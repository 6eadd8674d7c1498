import { once } from 'node:events';
import { connect } from 'node:net';
import type { Closers } from '../../src/lib/async/closers.ts';
import { pause } from '../../src/lib/async/pause.ts';
import { succeeds } from '../../src/lib/async/succeeds.ts';
import { fetchOnce } from '../../src/lib/http/fetch.ts';
import { apiPort, base, gear, keys } from './addresses.ts';
import { must, type Place } from './place.ts';
import { say } from './say.ts';

const unit = 'geard-tour.service';
const startDeadline = 30_000;
/** Milliseconds that one question whether it is ready may take. */
const askDeadline = 2_000;

/** Runs the daemon on the place as a transient unit, with a Redis of its own, and waits until it answers. */
export async function startDaemon(place: Place, closers: Closers): Promise<void> {
  if (place.prefix === '' && (await answers()))
    throw new Error(`port ${apiPort} is taken; stop what listens there`);
  say(`making keys for tokens in ${keys}`);
  closers.push(() => must(place, 'rm', '-rf', keys));
  await must(place, 'rm', '-rf', keys);
  await must(place, ...gear, 'token', 'keygen', keys);
  say(`starting gear daemon on 127.0.0.1:${apiPort}, with its own Redis below ${base}`);
  await place.run('systemctl', 'reset-failed', unit);
  const transient = [`--unit=${unit}`, '--property=KillMode=mixed'];
  const settings = ['--test-token', '--keys', keys, '--base', base, '--listen', `127.0.0.1:${apiPort}`];
  await must(place, 'systemd-run', ...transient, '--', ...gear, 'daemon', ...settings);
  closers.push(() => must(place, 'systemctl', 'stop', unit));
  await untilItAnswers(place);
}

async function untilItAnswers(place: Place): Promise<void> {
  const until = Date.now() + startDeadline;
  while (Date.now() < until) {
    if (await ready()) return;
    if ((await place.run('systemctl', 'is-active', unit)).output.trim() === 'failed') break;
    await pause(100);
  }
  const last = [`--unit=${unit}`, '--output=cat', '--lines=20', '--no-pager'];
  const { output } = await place.run('journalctl', ...last);
  throw new Error(`the daemon does not answer; its last lines:\n${output.trimEnd()}`);
}

async function ready(): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(askDeadline);
    return (await fetchOnce(`http://127.0.0.1:${apiPort}/readyz`, { signal })).status === 200;
  } catch {
    return false;
  }
}

/** Whether anything listens on the api's port. */
async function answers(): Promise<boolean> {
  const socket = connect(apiPort, '127.0.0.1');
  const isTaken = await succeeds(once(socket, 'connect'));
  socket.destroy();
  return isTaken;
}
