/** Prints ratios: what geard costs beside what it stands on, everything side by side in one run on one host. */
import { sampleImage } from '../test/support/daemon.ts';
import { benchAccept } from './accept.ts';
import { benchFollowers } from './followers.ts';
import { benchInstall } from './install.ts';
import { benchInstallMany } from './install-many.ts';
import { benchLists } from './lists.ts';
import { benchMemory } from './memory.ts';
import { benchStreams } from './streams.ts';
import { printRow, printTitle } from './table.ts';
import { benchTenants } from './tenants/bench.ts';
import { benchTokens } from './tokens.ts';

const benches = {
  accept: benchAccept,
  tokens: benchTokens,
  install: benchInstall,
  many: benchInstallMany,
  memory: benchMemory,
  streams: benchStreams,
  followers: benchFollowers,
  lists: benchLists,
  tenants: benchTenants,
};
const wanted = process.argv.slice(2);

await sampleImage();
printTitle();
let missed = 0;
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const row of await bench()) missed += printRow(row) ? 0 : 1;
}
if (missed > 0)
  console.log(`\n${missed} of the figures ${missed === 1 ? 'is' : 'are'} not what we want to reach`);
process.exit(0);
