// Adds up the results of all runs and prints the closing lines: the slowest files, each failed test with its
// cause, and the counts.
// They come last, because CI keeps only the end of a long output.
// A run without results, or with a skipped test, is a failure: no run may be skipped without anybody noticing.
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** How many lines of a failure are printed, in how many columns. The whole of it stands further up. */
const lines = 25;
const columns = 200;
/** How many of the slowest files are printed. */
const slowest = 20;

const [directory, ...runs] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
let complete = true;
const files = [];
for (const run of runs) {
  try {
    const result = JSON.parse(readFileSync(join(directory, `${run}.json`), 'utf8'));
    total.passed += result.numPassedTests;
    total.failed += result.numFailedTests;
    total.skipped += result.numPendingTests + result.numTodoTests;
    files.push(...result.testResults.map((file) => ({ run, file })));
    if (result.numPassedTests === 0) throw new Error('no test passed');
  } catch (error) {
    console.error(`run ${run}: ${error.message}`);
    complete = false;
  }
}
tellSlowest();
for (const { run, file } of files) tellFailures(run, file);
const ofClients = runs.filter((run) => run.startsWith('e2e'));
if (ofClients.length > 0) tellAnswers(ofClients);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = complete && total.failed === 0 && total.skipped === 0 ? 0 : 1;

/** Where the time goes. */
function tellSlowest() {
  const seconds = ({ file }) => Math.round((file.endTime - file.startTime) / 1000);
  const longest = files.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, slowest);
  for (const one of longest)
    console.log(`${one.run}: ${relative(process.cwd(), one.file.name)} took ${seconds(one)} s`);
}

/** How many answers were compared with the document; test/support/documented.ts writes them down. */
function tellAnswers(ofRuns) {
  const answers = ofRuns.flatMap((run) => {
    const file = join(directory, `${run}.answers`);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  });
  // Each is a method, the name of an operation and a status; `-` is the name of what is none.
  const names = answers.map((line) => line.replace(/ \d+$/, '')).filter((name) => !name.endsWith(' -'));
  const [count, operations] = [answers.length, new Set(names).size].map((n) => n.toLocaleString('en-US'));
  console.log(`${count} answers of ${operations} operations were compared with docs/openapi.json`);
}

function tellFailures(run, file) {
  const name = relative(process.cwd(), file.name);
  const failed = file.assertionResults.filter(({ status }) => status === 'failed');
  for (const { fullName, failureMessages } of failed) tell(`${name} > ${fullName}`, failureMessages);
  // A file that cannot be loaded has no tests.
  if (file.status === 'failed' && failed.length === 0) tell(name, [file.message]);

  function tell(title, messages) {
    console.log(`FAILED in ${run}: ${title}`);
    const cause = stripVTControlCharacters(messages.join('\n')).split('\n').slice(0, lines);
    for (const line of cause) console.log(`    ${line.slice(0, columns)}`);
  }
}
