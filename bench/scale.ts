/** Prints what a job costs as the number of hosts grows; see docs/scale.md. `npm run bench -- scale`, or with sizes: `10=5000`. */

import { figuresOf } from './scale/figures.ts';
import { openSimulatedFleet, type SimulatedFleet } from './scale/fleet.ts';
import { type Measured, mustAllHaveSucceeded, perRound, playRound, startMeasuring } from './scale/measure.ts';
import { printCurve, printFigures } from './scale/print.ts';

/** Hosts, and jobs for them. */
const sizes = ['1=25000', '10=25000', '100=25000', '300=100000'];
const calmRounds = 5;
const firstPort = 12_243;

const given = process.argv.slice(2);
for (const size of given) {
  if (/^[1-9]\d{0,2}=[1-9]\d{0,6}$/.test(size)) continue;
  console.error(`npm run bench -- scale takes sizes such as 10=5000 (hosts and jobs), not ${size}`);
  process.exit(2);
}
const wanted = (given.length > 0 ? given : sizes).map((size) => {
  const [hosts = 1, jobs = 1] = size.split('=').map(Number);
  return { hosts, rounds: Math.ceil(jobs / perRound.full) };
});

const fleets: SimulatedFleet[] = [];
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});

/**
 * All fleets are up all the time and have their rounds in turn: what disturbs the machine disturbs all of them. A fleet's
 * cost is what its own processes have used. One with fewer rounds than others sits some of the turns out.
 */
async function measureAll(): Promise<void> {
  for (const [i, { hosts }] of wanted.entries()) {
    console.error(`starting ${hosts} hosts …`);
    fleets.push(await openSimulatedFleet(hosts, firstPort + i));
  }
  const all: Measured[] = [];
  for (const fleet of fleets) all.push(await startMeasuring(fleet));
  for (const measured of all) await playRound(measured, 'full'); // The first only warms up.
  const calm = Array.from({ length: calmRounds }, (_, turn) => ({ turn, load: 'calm' as const }));
  const maxRounds = Math.max(...wanted.map(({ rounds }) => rounds));
  const full = Array.from({ length: maxRounds }, (_, turn) => ({ turn, load: 'full' as const }));
  const bytesBefore = await Promise.all(all.map(({ fleet }) => fleet.usedBytes()));
  for (const { turn, load } of [...calm, ...full]) {
    console.error(`${load} round ${turn + 1} …`);
    for (const [i, measured] of all.entries()) {
      const every = Math.round(maxRounds / (wanted[i]?.rounds ?? 1));
      if (load === 'full' && turn % every !== 0) continue;
      measured.rounds[load].set(turn, await playRound(measured, load));
    }
  }
  const figures = [];
  for (const [i, measured] of all.entries()) {
    await mustAllHaveSucceeded(measured);
    figures.push(await figuresOf(measured, bytesBefore[i] ?? 0));
  }
  printFigures(figures);
  printCurve(figures, 'full');
  printCurve(figures, 'calm');
}

const ended = await Promise.race([
  measureAll().then(
    () => ({ exitCode: 0, said: '' }),
    (error: Error) => ({ exitCode: 1, said: error.message }),
  ),
  interrupted.then(() => ({ exitCode: 130, said: 'interrupted' })),
]);
if (ended.said) console.error(ended.said);
await Promise.allSettled(fleets.map((fleet) => fleet.close()));
process.exit(ended.exitCode);
