// Adds up the results of all runs and prints the closing line. A run without results, or with a skipped test,
// is a failure: no run may be skipped without anybody noticing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory, ...runs] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
let complete = true;
for (const run of runs) {
  try {
    const result = JSON.parse(readFileSync(join(directory, `${run}.json`), 'utf8'));
    total.passed += result.numPassedTests;
    total.failed += result.numFailedTests;
    total.skipped += result.numPendingTests + result.numTodoTests;
    if (result.numPassedTests === 0) throw new Error('no test passed');
  } catch (error) {
    console.error(`run ${run}: ${error.message}`);
    complete = false;
  }
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = complete && total.failed === 0 && total.skipped === 0 ? 0 : 1;
