import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../support/run.ts';

const examples = [...readFileSync('docs/client.md', 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
  .map(([, text]) => text)
  .join('\n');

/** What a page in a browser is compiled with: no types of Node.js. */
const compilerOptions = {
  ...{ target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'], types: [] },
  ...{ module: 'esnext', moduleResolution: 'bundler', strict: true, noEmit: true },
};

/** What the compiler says of a program that has geard among its packages. */
async function complaints(program: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'geard-program-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(resolve('.'), join(directory, 'node_modules/geard'));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(join(directory, 'program.ts'), program);
  const { stdout, stderr } = await run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', directory);
  return stdout + stderr;
}

test('the examples of docs/client.md compile in a program for browsers', async () => {
  expect(await complaints(examples)).toBe('');
});

test('a program that asks for something else than there is does not compile', async () => {
  expect(await complaints(`${examples}\nawait geard.container.start({ name: 'web' });`)).toContain("'name'");
});
