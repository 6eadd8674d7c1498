import { stripVTControlCharacters } from 'node:util';
import { Option } from 'commander';
import { reopened } from '../../../client/lines.ts';
import type { Answer } from '../../../jobs/registry.ts';
import { maxFollow, timeIsUp } from '../../../jobs/rpc/streams.ts';
import { BadConfig } from '../../options/config.ts';
import { parseDuration } from '../../token/duration.ts';
import { hostOption } from '../fields.ts';
import { type Call, type Row, tellError } from '../row.ts';

interface LogFlags {
  number?: string;
  follow?: true;
  for?: string;
  host?: string;
}

type Line = Answer<'container.log'>;
type Notice = Extract<Line, { event: string }>;

/** `gear logs NAME…` */
export const logs: Row<LogFlags> = {
  sends: ['container.log'],
  names: 'gear',
  options: [
    new Option('-n, --number <lines>', 'number of past lines; default: 100'),
    new Option('-f, --follow', 'print new lines, too, until Ctrl-C'),
    new Option('--for <duration>', 'print new lines for this long, such as 30s or 1h').conflicts('follow'),
    hostOption('the host that the gear must be on'),
  ],
  async run(call) {
    const { args: names, json } = call;
    if (json && names.length > 1)
      throw new BadConfig('--json: name only one gear, because the lines do not name it');
    const printer = createPrinter(call);
    const print = async (name: string) => {
      try {
        await printLog(call, name, (line) => printer.print(name, line));
        return 0;
      } catch (error) {
        await printer.endLine().catch(() => undefined); // Standard output may be closed.
        return tellError(call, error as Error, names.length > 1 ? name : undefined);
      }
    };
    return Math.max(...(await Promise.all(names.map(print))));
  },
};

async function printLog(
  call: Call<LogFlags>,
  name: string,
  print: (line: Line) => Promise<void>,
): Promise<void> {
  const { client, flags, signal } = call;
  const { follow } = flags;
  const asked = askedBy(flags, name);
  let last: string | undefined;
  for (let reason = ''; ; ) {
    if (reason === timeIsUp && last === undefined && asked.lines === 0) await print(reopened);
    reason = '';
    const resume = last !== undefined && { headers: { 'Last-Event-ID': last } };
    for await (const line of client.container.log(asked, { signal, ...resume })) {
      if ('cursor' in line) last = line.cursor;
      if (follow && 'event' in line && line.event === 'end') reason = line.reason;
      await print(line);
    }
    if (reason !== timeIsUp) return;
  }
}

const askedBy = ({ follow, number, host, for: duration }: LogFlags, name: string) => ({
  r: name,
  for: follow ? maxFollow : secondsOf(duration),
  h: host,
  lines: number === undefined ? undefined : Number(number),
});

function secondsOf(duration = '0s'): number {
  const seconds = parseDuration(duration);
  if (seconds !== null) return seconds;
  throw new BadConfig('--for: must be a number and s, m, h or d, such as 30s or 1h');
}

/**
 * Prints the lines of all gears of a command. A line that journald has cut comes in several
 * records: nothing else is printed into it, so that no gear can begin a line as another one.
 */
function createPrinter(call: Call<LogFlags>) {
  const { args: names } = call;
  const width = Math.max(...names.map((name) => name.length));
  const prefix = (name: string) => (names.length > 1 ? `${name.padEnd(width)} | ` : '');
  /** The gear whose line is not complete yet. */
  let unfinished: string | null = null;

  const endLine = async () => {
    if (unfinished === null) return;
    unfinished = null;
    await call.write('\n');
  };
  const tell = async (name: string, { event, reason, lines }: Notice) => {
    if (event !== 'missed') return;
    const ended = endLine(); // Waiting for it first would let another line begin.
    call.tell(`${prefix(name)}${reason}${lines === undefined ? '' : ` (${lines} lines)`}`);
    await ended;
  };
  return {
    endLine,
    async print(name: string, line: Line): Promise<void> {
      if (call.json) return call.print(line, '');
      if ('event' in line) return tell(name, line);
      const begin = unfinished === name ? '' : `${unfinished === null ? '' : '\n'}${prefix(name)}`;
      unfinished = line.continues ? name : null;
      const message = line.encoding === 'base64' ? Buffer.from(line.message, 'base64') : line.message;
      const shown = process.stdout.isTTY ? printable(String(message)) : message;
      const end = line.continues ? '' : '\n';
      await call.write(Buffer.concat([Buffer.from(begin), Buffer.from(shown), Buffer.from(end)]));
    },
  };
}

/** Replaces or removes all terminal control characters: the output of a gear is untrusted. */
export const printable = (text: string) => stripVTControlCharacters(text).replace(/[^\P{Cc}\t]/gu, '�');
