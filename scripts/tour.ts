/**
 * npm start: brings up geard, on this machine where it can be a host, else on a host booted in namespaces, and
 * shows a gear from its installation to its stop and start again. Stays until Ctrl-C; with --once it ends after
 * the tour, with 0 only if every step was as it should be.
 */
import { createClosers } from '../src/lib/async/closers.ts';
import { startDaemon } from './tour/daemon.ts';
import { openHere } from './tour/here.ts';
import { openLabHost } from './tour/lab-host.ts';
import { printLines } from './tour/lines.ts';
import type { Place } from './tour/place.ts';
import { say } from './tour/say.ts';
import { takeTour } from './tour/steps.ts';

// scripts/start.sh says where: `here` or `lab`.
const [where, ...given] = process.argv.slice(2);
const wrongUse = given.filter((argument) => argument !== '--once');
if (where !== 'here' && where !== 'lab') throw new Error('run it by scripts/start.sh, which says where');
if (wrongUse.length > 0) {
  process.stderr.write(`npm start takes --once and nothing else, not ${wrongUse.join(' ')}\n`);
  process.exit(2);
}
const once = given.includes('--once');

const closers = createClosers();
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve('interrupted'));
});

async function tour(): Promise<void> {
  const place: Place = where === 'here' ? await openHere() : await openLabHost(closers);
  await startDaemon(place, closers);
  await takeTour(place, closers);
  await printLines(place);
}

let exitCode = 0;
try {
  const ended = await Promise.race([tour(), interrupted]);
  if (ended === 'interrupted') exitCode = 130;
  else if (!once) {
    say('Ctrl-C ends it and cleans up.');
    await interrupted;
  }
} catch (error) {
  process.stderr.write(`\nThe tour has failed: ${(error as Error).message}\n`);
  exitCode = 1;
}
say('cleaning up …');
try {
  await closers.close();
} catch (error) {
  for (const reason of (error as AggregateError).errors ?? [error]) {
    process.stderr.write(`cleaning up: ${(reason as Error).message}\n`);
  }
  exitCode = exitCode || 1;
}
process.exit(exitCode);
