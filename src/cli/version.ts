import { readFileSync } from 'node:fs';

const manifest = new URL('../../package.json', import.meta.url);

/** The version of this program, from package.json. */
export const { version }: { version: string } = JSON.parse(readFileSync(manifest, 'utf8'));
