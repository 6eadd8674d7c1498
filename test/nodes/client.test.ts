import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { complaints } from '../support/compile.ts';

const examples = [...readFileSync('docs/client.md', 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
  .map(([, text]) => text)
  .join('\n');
const geard = { 'node_modules/geard': '.' };

test('the examples of docs/client.md compile in a program for browsers', async () => {
  expect(await complaints(examples, geard)).toBe('');
});

test('a program that asks for something else than there is does not compile', async () => {
  const wrong = `${examples}\nawait geard.container.start({ name: 'web' });`;
  expect(await complaints(wrong, geard)).toContain("'name'");
});
