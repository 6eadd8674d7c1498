/**
 * Loaded into a process of geard by NODE_OPTIONS=--import=<this file>. At SIGUSR2 the process
 * collects its garbage and writes a line to standard error: `memory: ` and the bytes in use.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`memory: ${heapUsed + external}\n`);
});
