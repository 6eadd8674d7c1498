import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { run } from './run.ts';

/** What a page in a browser is compiled with: no types of Node.js. */
const compilerOptions = {
  ...{ target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'], types: [] },
  ...{ module: 'esnext', moduleResolution: 'bundler', strict: true, noEmit: true },
};

/**
 * What the compiler says of a program in a directory of its own. `links`: paths in there, such as
 * `node_modules/geard`, and what they lead to.
 */
export async function complaints(program: string, links: Record<string, string>): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'geard-program-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'node_modules'));
  for (const [path, to] of Object.entries(links)) symlinkSync(resolve(to), join(directory, path));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(join(directory, 'program.ts'), program);
  const { stdout, stderr } = await run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', directory);
  return stdout + stderr;
}
