import fc from 'fast-check';
import { expect, test } from 'vitest';
import { serverSentEvent } from '../../../../src/lib/http/server-sent-event.ts';

test('every line break begins another line of data', () => {
  const text = fc.string({ unit: fc.constantFrom('\r', '\n', 'a', '$&', ':') });
  fc.assert(
    fc.property(text, (data) => {
      const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
      expect(serverSentEvent(data)).toBe(`${lines.join('')}\n`);
      expect(serverSentEvent(data, { id: '1', event: 'part' })).toBe(
        `id: 1\nevent: part\n${lines.join('')}\n`,
      );
    }),
  );
});
