/** Prints what a job costs as the number of hosts grows; see docs/scale.md. `npm run bench -- scale`, or with sizes: `10=5000`. */
import { openSimulatedFleet, type SimulatedFleet } from './scale/fleet.ts';
import { type Figures, measure } from './scale/measure.ts';
import { printCurve, printFigures } from './scale/print.ts';

/** Hosts, and jobs for them. */
const sizes = ['1=20000', '10=20000', '100=20000', '300=100000'];
const wanted = process.argv.slice(2);
for (const size of wanted) {
  if (/^[1-9]\d{0,2}=[1-9]\d{0,6}$/.test(size)) continue;
  console.error(`npm run bench -- scale takes sizes such as 10=5000 (hosts and jobs), not ${size}`);
  process.exit(2);
}

let fleet: SimulatedFleet | null = null;
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});

async function measureAll(): Promise<void> {
  const all: Figures[] = [];
  for (const size of wanted.length > 0 ? wanted : sizes) {
    const [hosts = 1, jobs = 1] = size.split('=').map(Number);
    console.error(`${hosts} hosts, ${jobs} jobs …`);
    fleet = await openSimulatedFleet(hosts);
    all.push(await measure(fleet, jobs));
    await fleet.close();
    fleet = null;
  }
  printFigures(all);
  printCurve(all, 'full');
  printCurve(all, 'calm');
}

const ended = await Promise.race([
  measureAll().then(
    () => ({ exitCode: 0, said: '' }),
    (error: Error) => ({ exitCode: 1, said: error.message }),
  ),
  interrupted.then(() => ({ exitCode: 130, said: 'interrupted' })),
]);
if (ended.said) console.error(ended.said);
await (fleet as SimulatedFleet | null)?.close();
process.exit(ended.exitCode);
