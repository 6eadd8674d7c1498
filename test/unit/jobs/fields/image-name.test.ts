import { expect, test } from 'vitest';
import { imageReference } from '../../../../src/jobs/fields/identifier.ts';
import { imageName } from '../../../../src/jobs/fields/image-name.ts';

const digest = `sha256:${'0'.repeat(64)}`;

// The names that distribution/reference's own tests give (normalize_test.go), and what a tag and a digest come to.
test.each([
  ['nginx', 'docker.io/library/nginx:latest'],
  ['nginx:1.27', 'docker.io/library/nginx:1.27'],
  ['library/nginx', 'docker.io/library/nginx:latest'],
  ['docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['pmorie/sti-html-app', 'docker.io/pmorie/sti-html-app:latest'],
  ['localhost/a', 'localhost/a:latest'],
  ['localhost:5000/a/b:1', 'localhost:5000/a/b:1'],
  ['r.example/a', 'r.example/a:latest'],
  [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
  [`r:5000/a:1@${digest}`, `r:5000/a@${digest}`],
  ['0', 'docker.io/library/0:latest'],
])('%s names %s', (reference, name) => {
  expect(imageName(reference)).toBe(name);
  expect(imageName(name)).toBe(name);
});

test.each([
  digest,
  'a'.repeat(64),
  'geard.invalid/environment:gear-b.0123',
  'geard.invalid/githost',
])('%s is refused: it is an id, or an image that geard has made for itself', (reference) => {
  expect(imageReference.safeParse(reference).success).toBe(false);
});
