import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';

const names = z.record(z.string(), z.string()).default({});
const dependent = z.object({ dependencies: names, devDependencies: names, optionalDependencies: names });
const lock = z.object({ packages: z.record(z.string(), dependent) });

const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
const manifest = dependent.parse(read('package.json'));
const { packages } = lock.parse(read('package-lock.json'));

/** Where Node looks for a package that one at `place` asks for: beside its own, and then further up. */
function* placesOf(name: string, place: string): Generator<string> {
  for (
    let above = place;
    above !== '';
    above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))
  )
    yield `${above}/node_modules/${name}`;
  yield `node_modules/${name}`;
}

// An npm that installs for one platform can leave the packages of the others out; npm ci then refuses.
test('package-lock.json has every package that one in it depends on, for all platforms (security L11)', () => {
  const missing = Object.entries(packages).flatMap(([place, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => ![...placesOf(name, place)].some((one) => one in packages))
      .map((name) => `${place || 'package.json'} needs ${name}`),
  );
  expect(missing).toEqual([]);
});

test('package-lock.json is made from the dependencies in package.json', () => {
  expect(packages['']).toEqual(manifest);
});

test('ADR 1 says of each dependency why it is there', () => {
  const rows = readFileSync('docs/adr/0001-libraries.md', 'utf8').matchAll(
    /^\| ([a-z][a-z-]*) \| (?!why)\S.* \|$/gm,
  );
  expect([...rows].map(([, name]) => name)).toEqual(Object.keys(manifest.dependencies));
});
