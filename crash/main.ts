/** Crashes geard by the thousand and counts what it promised; see docs/reliability.md. `npm run crash -- --help`. */
import { join } from 'node:path';
import type { Violation } from './check/violation.ts';
import { closeSite } from './lab/site.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { tryMutants } from './mutate.ts';
import { type Options, readOptions, usage } from './options.ts';
import { replay } from './replay.ts';
import { tellLedger } from './report.ts';
import { type Campaign, runCampaign } from './run.ts';

const directory = process.env['GEARD_CRASH_DIR'] ?? '/run/geard-crash';
const interruption = new AbortController();
const { signal } = interruption;
/** What still runs of an interrupted round has nothing to tell. */
const say = (line: string) => (signal.aborted ? undefined : console.log(line));
const ledger = openLedger();

async function crash(options: Options): Promise<number> {
  const { seed } = options;
  const logs = `/tmp/geard-crash-${seed}`;
  say(`seed ${seed}`);
  if (options.mutants)
    return Math.min(1, await tryMutants({ ...options, logs, say, signal, directory }, options.mutant));
  const began = Date.now();
  const isEnough = (violations: readonly Violation[]) => violations.length > 0 && !options.keepGoing;
  const campaign: Campaign = { ...options, isEnough, bias: {}, logs, say, signal };
  const play = (how: Campaign, into: Ledger) =>
    runCampaign(directory, join(process.cwd(), 'bin/gear'), how, into);
  const first = await play(campaign, ledger);
  say([...tellLedger(ledger), `seed ${seed}, ${Math.round((Date.now() - began) / 1_000)} s`].join('\n'));
  if (first && options.round === null) await replay(campaign, first, (how) => play(how, openLedger()));
  return ledger.violations.size === 0 ? 0 : 1;
}

/** Takes down what was interrupted; whatever has gone wrong since has gone wrong for that. */
async function endInterrupted(): Promise<never> {
  await closeSite(directory);
  // Mutants have ledgers of their own, and tell what they come to.
  if (ledger.rounds > 0) console.log(['so far:', ...tellLedger(ledger)].join('\n'));
  console.log('interrupted; the lab is taken down');
  process.exit(130);
}

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    // What still runs of a round meets hosts that are gone.
    process.on('unhandledRejection', () => undefined);
    interruption.abort();
  });
}

const args = process.argv.slice(2);
if (args.includes('--help')) {
  say(usage);
  process.exit(0);
}
let options: Options;
try {
  options = readOptions(args);
} catch (error) {
  console.error(`${(error as Error).message}\n${usage}`);
  process.exit(2);
}
const status = await crash(options).catch((error) => {
  if (signal.aborted) return endInterrupted();
  throw error;
});
process.exit(status);
