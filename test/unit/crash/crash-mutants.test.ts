import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutants } from '../../../crash/mutants.ts';
import { applyEdit } from '../../../crash/mutate.ts';

/** What is edited are statements without types, which the compiler leaves as they are. */
const source = (file: string) => readFileSync(`src/${file.replace(/\.js$/, '.ts')}`, 'utf8');

test.each(mutants)('the mutant $name edits what is there exactly once', ({ edits, sooner = [] }) => {
  for (const edit of [...edits, ...sooner])
    expect(applyEdit(edit, source(edit.file))).toContain(edit.replace);
});

test('an edit of what is not there, or there twice, is refused', () => {
  const edit = { file: 'a.js', find: 'one', replace: 'two' };
  for (const text of ['nothing', 'one one'])
    expect(() => applyEdit(edit, text)).toThrow(/^dist\/a\.js has \d times, not once/);
});
