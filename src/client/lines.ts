import type { Answer } from '../jobs/registry.ts';
import { passes, patiently, pause, type Sent, send } from './send.ts';

type Line = Answer<'job.log' | 'container.log'>;

/** Milliseconds after which a stream counts as one that was well. */
const longOpen = 10_000;
/** Milliseconds before a stream that was cut off is opened again. */
const beforeOpening = 250;

/**
 * The lines of a log up to its end. A stream that is cut off is opened again behind the last line
 * that came.
 */
export async function* linesOf(first: Sent): AsyncGenerator<Line, void, void> {
  let last: string | undefined;
  for (let cuts = 0, request = first; ; cuts++) {
    const resume = last === undefined ? {} : { 'Last-Event-ID': last };
    const headers = { ...request.headers, Accept: 'application/x-ndjson', ...resume };
    const body = await send({ ...request, headers }, (response) => response.body);
    request = patiently(first);
    const opened = performance.now();
    try {
      for await (const line of parsed(body)) {
        yield line;
        if ('event' in line && line.event === 'end') return;
        if ('event' in line) continue;
        last = 'id' in line ? line.id : line.cursor;
        cuts = 0;
      }
      throw new TypeError('the stream was cut off');
    } catch (error) {
      // A proxy may end what is silent for long: that is no failure of the api.
      if (performance.now() - opened > longOpen) cuts = 0;
      if (cuts >= request.retries || !passes(error)) throw error;
    }
    await pause(beforeOpening, request.signal);
  }
}

/** Every complete line. The stream is closed as soon as nobody reads on. */
async function* parsed(body: Response['body']): AsyncGenerator<Line, void, void> {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line);
    }
  } finally {
    reader?.cancel().catch(() => undefined);
  }
}
