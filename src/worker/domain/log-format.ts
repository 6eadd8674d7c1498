import { isUtf8 } from 'node:buffer';
import type { LogFormat } from '../../jobs/rpc/streams.ts';
import type { Notice } from '../../jobs/types/container-reads.ts';
import { serverSentEvent } from '../../lib/http/server-sent-event.ts';
import type { JournalRecord } from '../journald/journal-export.ts';

/** Writes records and notices in one of the formats of a log. */
export interface LogWriter {
  records(records: JournalRecord[]): Buffer;
  notice(notice: Notice): Buffer;
}

export function createLogWriter(format: LogFormat): LogWriter {
  switch (format) {
    case 'text/plain':
      return textWriter();
    case 'text/event-stream':
      return { records: joined(asEvent), notice: eventNotice };
    case 'application/x-ndjson':
      return { records: joined(asJson), notice: (notice) => line(JSON.stringify(notice)) };
  }
}

const line = (text: string) => Buffer.from(`${text}\n`);
const lineEnd = Buffer.from('\n');

/**
 * Lines as the process wrote them; journald drops blanks at their ends, and empty lines. Joins a
 * line that journald has cut, unless a record of another process comes between.
 */
function textWriter(): LogWriter {
  let unfinished: string | null = null;
  const finish = () => {
    const was = unfinished;
    unfinished = null;
    return was === null ? [] : [lineEnd];
  };
  return {
    records(records) {
      const parts: Uint8Array[] = [];
      for (const { message, pid, continues } of records) {
        if (unfinished !== pid) parts.push(...finish());
        parts.push(message);
        unfinished = pid;
        if (!continues) parts.push(...finish());
      }
      return Buffer.concat(parts);
    },
    notice({ event, reason, lines }) {
      const parts: Uint8Array[] = finish();
      if (event !== 'end')
        parts.push(line(`-- geard: ${lines === undefined ? '' : `${lines} lines missed: `}${reason} --`));
      return Buffer.concat(parts);
    },
  };
}

const joined = (write: (record: JournalRecord) => Buffer) => (records: JournalRecord[]) =>
  Buffer.concat(records.map(write));

const asEvent = ({ cursor, message, continues }: JournalRecord) =>
  Buffer.from(serverSentEvent(message.toString('utf8'), { id: cursor, ...(continues && { event: 'part' }) }));

const eventNotice = ({ event, ...data }: Notice) =>
  Buffer.from(serverSentEvent(JSON.stringify(data), { event }));

/** One JSON object per line. Bytes that are not UTF-8 are base64, marked by `encoding`. */
function asJson({ cursor, time, message, continues }: JournalRecord): Buffer {
  const content = isUtf8(message)
    ? { message: message.toString('utf8') }
    : { message: message.toString('base64'), encoding: 'base64' };
  const at = new Date(Number(time.slice(0, -3))).toISOString();
  return line(JSON.stringify({ cursor, time: at, ...content, ...(continues ? { continues: true } : {}) }));
}
