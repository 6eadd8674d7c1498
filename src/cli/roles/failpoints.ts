import { readFileSync, renameSync } from 'node:fs';
import type { Logger } from 'pino';
import { listenToFailpoints } from '../../lib/effect.ts';

/**
 * Arms the failpoints from a file, for crash tests. The file has one line, `<point> <hits>
 * <signal>`: the process that passes the point for the hits-th time (counted from 1, since the file
 * was written) sends itself the signal. A point is a name such as `file.rename:after`, or `*` for
 * any. The process first renames the file to `<file>.fired`, so that only one process takes it.
 *
 * @example echo 'dbus.StartUnit:after 1 SIGKILL' >"$GEARD_FAILPOINTS"
 */
export function armFailpoints(file: string, log: Logger): void {
  log.warn({ file }, 'failpoints are armed: this process is to be killed by tests');
  let armed = '';
  let passed = 0;
  listenToFailpoints((point) => {
    const text = readLine(file);
    if (text === '') return;
    if (text !== armed) passed = 0;
    armed = text;
    const [wanted, hits, signal] = text.split(' ');
    if (wanted !== '*' && wanted !== point) return;
    passed++;
    if (passed < Number(hits)) return;
    try {
      renameSync(file, `${file}.fired`);
    } catch {
      return; // Another process has taken the file.
    }
    process.kill(process.pid, signal as NodeJS.Signals);
  });
}

function readLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
