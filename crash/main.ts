/** Crashes geard by the thousand and counts what it promised; see docs/reliability.md. `npm run crash -- --help`. */
import { join } from 'node:path';
import { openSite } from './lab/site.ts';
import { type Options, readOptions, usage } from './options.ts';
import { tellLedger } from './report.ts';
import { runCampaign } from './run.ts';

const directory = process.env['GEARD_CRASH_DIR'] ?? '/run/geard-crash';
const say = (line: string) => console.log(line);

async function crash(options: Options): Promise<number> {
  const { seed } = options;
  say(`seed ${seed}`);
  const began = Date.now();
  const site = await openSite(directory, join(process.cwd(), 'bin/gear'), options);
  try {
    const ledger = await runCampaign(site, { ...options, bias: {}, logs: `/tmp/geard-crash-${seed}`, say });
    say([...tellLedger(ledger), `seed ${seed}, ${Math.round((Date.now() - began) / 1_000)} s`].join('\n'));
    return ledger.violations.size === 0 ? 0 : 1;
  } finally {
    await site.close();
  }
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
process.exit(await crash(options));
