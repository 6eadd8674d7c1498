import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const widest = 100;

/** Whether a line is part of a comment and of nothing else. */
const isComment = (line: string) => /^\s*(?:\/\/|\/?\*)/.test(line);

test(`no comment of the source is wider than ${widest} columns`, () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(100);
  const wide = files.flatMap((name) => {
    const lines = readFileSync(join('src', name), 'utf8').split('\n');
    return lines.flatMap((line, i) =>
      isComment(line) && line.length > widest ? [`src/${name}:${i + 1}`] : [],
    );
  });
  expect(wide).toEqual([]);
});
