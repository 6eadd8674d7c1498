import { expect, test } from 'vitest';
import { parseSocketTable } from '../../../../src/worker/host/listening.ts';

test('only listening sockets count as listened on', () => {
  const table = [
    '  sl  local_address rem_address   st',
    '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1',
    '   1: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 2',
    '   2: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0',
  ].join('\n');
  expect(parseSocketTable(table)).toEqual([8080, 443]);
});
