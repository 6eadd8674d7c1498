import { exec } from '../../lib/exec.ts';
import { syncJournal } from './sync-journal.ts';

const maxLines = 10;
/** Maximum characters of one line, without the `…`, and of all lines. */
const maxLine = 500;
const maxText = 4_000;
/** Timeout for reading them from the journal, in milliseconds. */
const deadline = 5_000;

/**
 * The last lines that a unit has logged, of one run unless its invocation id is empty. Removes
 * escape sequences and replaces control characters. Empty when the journal does not answer in time.
 */
export async function lastLines(unit: string, invocation: string): Promise<string[]> {
  const run = invocation === '' ? [`--unit=${unit}`] : [`_SYSTEMD_INVOCATION_ID=${invocation}`];
  try {
    // The process's last output may still be on its way to the journal, which may be busy with
    // others.
    await syncJournal(deadline / 2).catch(() => undefined);
    const args = ['--no-pager', '--all', '--output=cat', `--lines=${maxLines}`, ...run];
    const { stdout } = await exec('journalctl', args, { deadline });
    return readableLines(stdout);
  } catch {
    return [];
  }
}

/** The last lines of a text that fit, each from its beginning. */
export function readableLines(text: string): string[] {
  const clean = text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[^\P{Cc}\n\t]/gu, '�');
  const lines = clean.split('\n').map(shorten).filter(Boolean);
  const fitting: string[] = [];
  let room = maxText + 1; // No line break follows the last one.
  for (const line of lines.reverse()) {
    room -= line.length + 1;
    if (room < 0) break;
    fitting.unshift(line);
  }
  return fitting;
}

/** Cuts a long line, but not within a character, and shows that it was cut. */
function shorten(text: string): string {
  const line = text.trimEnd();
  return line.length > maxLine ? `${line.slice(0, maxLine).replace(/[\ud800-\udbff]$/, '')}…` : line;
}
