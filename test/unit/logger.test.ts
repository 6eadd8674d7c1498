import { expect, test } from 'vitest';
import { plainError } from '../../src/lib/logger.ts';

test('the log of an error has its words and its place, and nothing that a library has hung onto it', () => {
  const error = Object.assign(
    new Error('WRONGTYPE', { cause: Object.assign(new Error('why'), { args: ['secret'] }) }),
    {
      command: { name: 'hset', args: ['geard:job', 'secret'] },
      code: 'E',
    },
  );
  const logged = plainError(error);
  expect(logged).toMatchObject({ type: 'Error', message: 'WRONGTYPE', code: 'E', cause: { message: 'why' } });
  expect(JSON.stringify(logged)).toContain('logger.test.ts');
  expect(JSON.stringify(logged)).not.toContain('secret');
});
