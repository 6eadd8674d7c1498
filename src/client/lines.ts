import type { Answer } from '../jobs/registry.ts';
import { parsed } from './error.ts';
import { isRetryable, type PreparedRequest, patiently, pause, send } from './send.ts';

type Line = Answer<'job.log' | 'container.log'>;

/** Milliseconds after which an open stream counts as healthy. */
const longOpen = 10_000;
/** Milliseconds before a broken stream is reopened. */
const beforeOpening = 250;

/**
 * The notice in a log that was asked for without history and reopened before its first line: it has
 * no line to continue after.
 */
export const reopened = {
  event: 'missed',
  reason: 'the log was reopened before its first line: lines in between may be missing',
} as const satisfies Line;

/** The notices at the beginning of the stream that a request has opened after this line. */
const noticesOf = (request: PreparedRequest, first: PreparedRequest, last: string | undefined): Line[] =>
  request !== first && last === undefined && beginsNow(first) ? [reopened] : [];

/** Whether a log begins with the lines logged from now on. */
const beginsNow = ({ url, headers }: PreparedRequest) =>
  /^0+$/.test(new URL(url).searchParams.get('lines') ?? '') && !new Headers(headers).has('Last-Event-ID');

/**
 * Yields the lines of a log up to its end. Reopens a broken stream after the last line received.
 */
export async function* linesOf(first: PreparedRequest): AsyncGenerator<Line, void, void> {
  let last: string | undefined;
  const began = performance.now();
  for (let cuts = 0, request = first; ; cuts++) {
    const resume = last === undefined ? {} : { 'Last-Event-ID': last };
    const headers = { ...request.headers, Accept: 'application/x-ndjson', ...resume };
    const response = await send({ ...request, headers }, (answer) => answer);
    const { url, ...again } = patiently(first);
    const opened = performance.now();
    try {
      for await (const line of parsedLines(response, noticesOf(request, first, last))) {
        yield line;
        if ('event' in line && line.event === 'end') return;
        if ('event' in line) continue;
        last = 'id' in line ? line.id : line.cursor;
        cuts = 0;
      }
      throw new TypeError('the stream was cut off');
    } catch (error) {
      // A proxy may end a stream that is silent for long: that is no failure of the api.
      if (performance.now() - opened > longOpen) cuts = 0;
      if (cuts >= request.retries || !isRetryable(error)) throw error;
    }
    await pause(beforeOpening, first.signal);
    request = { ...again, url: withoutPast(url, performance.now() - began) };
  }
}

/** Seconds for which the api follows the log of a gear without `for`. */
export const defaultFollow = 30;

/**
 * Shortens the time for which a log is followed (`for`) by the milliseconds that have passed, down
 * to one second: with 0 seconds a log is not followed.
 */
function withoutPast(address: string, past: number): string {
  const url = new URL(address);
  const preset = url.pathname.endsWith('/container/log') ? defaultFollow : 0;
  const seconds = Number(url.searchParams.get('for') ?? preset);
  if (seconds > 0) url.searchParams.set('for', String(Math.max(1, Math.ceil(seconds - past / 1000))));
  return url.href;
}

/** Yields notices and every complete line. Closes the stream when the reader stops. */
async function* parsedLines(response: Response, notices: Line[]): AsyncGenerator<Line, void, void> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    yield* notices;
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield parsed(line, response);
    }
    // What begins as a line was cut off; anything else is a page without a line break.
    if (rest !== '' && !rest.startsWith('{')) parsed(rest, response);
  } finally {
    reader?.cancel().catch(() => undefined);
  }
}
