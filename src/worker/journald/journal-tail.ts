import { exec } from '../../lib/exec.ts';

/** Maximum characters of one line, and of all lines. */
const maxLine = 500;
const maxText = 4_000;

/**
 * The last lines that a unit has logged, of one run if its invocation id is known. Removes escape
 * sequences and replaces control characters. Empty when the journal does not answer within the
 * deadline (milliseconds).
 */
export async function lastLines(
  unit: string,
  invocation: string | null,
  count: number,
  deadline: number,
): Promise<string[]> {
  const run = invocation === null ? [`--unit=${unit}`] : [`_SYSTEMD_INVOCATION_ID=${invocation}`];
  try {
    // The process's last output may still be on its way to the journal, which may be busy with
    // others.
    await exec('journalctl', ['--sync'], { deadline: deadline / 2 }).catch(() => undefined);
    const args = ['--no-pager', '--all', '--output=cat', `--lines=${count}`, ...run];
    const { stdout } = await exec('journalctl', args, { deadline });
    return readable(stdout);
  } catch {
    return [];
  }
}

function readable(text: string): string[] {
  const clean = text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[^\P{Cc}\n\t]/gu, '�');
  const lines = clean.split('\n').map((line) => line.slice(0, maxLine).trimEnd());
  return lines.join('\n').slice(-maxText).split('\n').filter(Boolean);
}
