import { stripVTControlCharacters } from 'node:util';
import { Option } from 'commander';
import { reopened } from '../../../client/lines.ts';
import type { Answer } from '../../../jobs/registry.ts';
import { maxFollow } from '../../../jobs/rpc/streams.ts';
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
      throw new BadConfig(['--json: name only one gear, because the lines do not name it']);
    const width = Math.max(...names.map((name) => name.length));
    const prefix = (name: string) => (names.length > 1 ? `${name.padEnd(width)} | ` : '');
    const print = async (name: string) => {
      try {
        await printLog(call, name, prefix(name));
        return 0;
      } catch (error) {
        return tellError(call, error as Error, names.length > 1 ? name : undefined);
      }
    };
    return Math.max(...(await Promise.all(names.map(print))));
  },
};

/** The reason of a stream whose time has expired: a follower continues after the last record. */
const timeIsUp = 'the time is up';

async function printLog(call: Call<LogFlags>, name: string, prefix: string): Promise<void> {
  const { client, flags, signal } = call;
  const { follow, number, host, for: duration } = flags;
  const asked = {
    r: name,
    for: follow ? maxFollow : secondsOf(duration),
    h: host,
    lines: number === undefined ? undefined : Number(number),
  };
  let last: string | undefined;
  let isBegun = false; // Whether the last record is the beginning of a line.
  for (let reason = ''; ; ) {
    if (reason === timeIsUp && last === undefined && asked.lines === 0)
      await printLine(call, reopened, prefix);
    reason = '';
    const resume = last !== undefined && { headers: { 'Last-Event-ID': last } };
    for await (const line of client.container.log(asked, { signal, ...resume })) {
      if ('cursor' in line) last = line.cursor;
      if (follow && 'event' in line && line.event === 'end') reason = line.reason;
      await printLine(call, line, isBegun ? '' : prefix);
      isBegun = 'continues' in line && line.continues === true;
    }
    if (reason !== timeIsUp) return;
  }
}

function secondsOf(duration = '0s'): number {
  const seconds = parseDuration(duration);
  if (seconds !== null) return seconds;
  throw new BadConfig(['--for: must be a number and s, m, h or d, such as 30s or 1h']);
}

async function printLine(call: Call<LogFlags>, line: Line, prefix: string): Promise<void> {
  if (call.json) return call.print(line, '');
  if ('event' in line) {
    const lines = line.lines === undefined ? '' : ` (${line.lines} lines)`;
    if (line.event === 'missed') call.tell(`${prefix}${line.reason}${lines}`);
    return;
  }
  const end = line.continues ? '' : '\n';
  const message = line.encoding === 'base64' ? Buffer.from(line.message, 'base64') : line.message;
  const shown = process.stdout.isTTY ? printable(String(message)) : message;
  await call.write(Buffer.concat([Buffer.from(prefix), Buffer.from(shown), Buffer.from(end)]));
}

/** Replaces or removes all terminal control characters: the output of a gear is untrusted. */
export const printable = (text: string) => stripVTControlCharacters(text).replace(/[^\P{Cc}\t]/gu, '�');
