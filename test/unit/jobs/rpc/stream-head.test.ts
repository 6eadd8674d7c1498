import { expect, test } from 'vitest';
import { parseHead } from '../../../../src/jobs/rpc/streams.ts';

const archive = { etag: `W/"${'a'.repeat(40)}-tar.gz"`, filename: 'web-v1.0_x.tar.gz', notModified: false };

test('what a worker says of an archive becomes headers', () => {
  expect(parseHead('content.archive', archive)).toEqual(archive);
});

test.each([
  { filename: 'a"; filename="b' },
  { filename: 'a\r\nX: y' },
  { filename: '../a' },
  { filename: '' },
  { etag: '"a", "b"' },
  { etag: 'a' },
  { etag: '"a"\r\nX: y' },
  { notModified: 1 },
  { more: 1 },
])('a worker that says %j of an archive counts as one that cannot be reached', (more) => {
  expect(() => parseHead('content.archive', { ...archive, ...more })).toThrow(
    expect.objectContaining({ code: 'host_unavailable' }),
  );
});
