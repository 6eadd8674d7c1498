import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Turns the messages of the daemon's own Redis about its append-only file into advice for
 * operators.
 */

const cut = /Truncating the AOF|Revert incomplete MULTI|MULTI calls can not be nested/;
const noMemory = /No space left on device|Short write while writing to the AOF/;
const damaged =
  /Bad file format|Unrecoverable error reading|Unexpected end of file|Unknown command.*append only file/;

/** Whether a Redis left out the end of its file when it loaded it. */
export const wasCut = (said: readonly string[]) => said.some((line) => cut.test(line));

/** Why a Redis that keeps its file in `directory` ended. `how` is the exit status or the signal. */
export function whyItEnded(how: string, said: readonly string[], directory: string): string {
  const lines = said.map((line) => line.replace(/^\d+:[A-Z] .*? [#*.-] /, ''));
  const full = lines.find((line) => noMemory.test(line));
  if (full) return `the disk of ${directory} is full; make room on it (redis says: ${full})`;
  if (lines.some((line) => damaged.test(line))) return howToMend(directory);
  return `it ended with ${how} and said: ${lines.slice(-3).join(' | ') || 'nothing'}`;
}

function howToMend(directory: string): string {
  const manifest = join(directory, 'appendonlydir', 'appendonly.aof.manifest'); // From Redis 7.0 on.
  const file = existsSync(manifest) ? manifest : join(directory, 'appendonly.aof');
  return [
    `its append-only file ${file} is damaged`,
    `to keep the data before the damage, copy ${directory} away and run: redis-check-aof --fix ${file}`,
    `or move ${directory} away: gears keep running and are found again, queued jobs are lost`,
  ].join('\n');
}
