/**
 * npm run reference: writes docs/openapi.json, docs/reference.md and src/client/operations.ts from the definitions of requests,
 * docs/cli-reference.md and contrib/man/gear.1 from the help of the commands.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../src/api/openapi/document.ts';
import { cliPage } from './reference/cli-page.ts';
import { clientOperations } from './reference/client-operations.ts';
import { commandHelps } from './reference/commands.ts';
import { manPage } from './reference/man-page.ts';
import { referencePage } from './reference/page.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
writeFileSync('docs/openapi.json', text);
writeFileSync('docs/reference.md', referencePage(JSON.parse(text)));
writeFileSync('src/client/operations.ts', clientOperations());

const helps = await commandHelps();
writeFileSync('docs/cli-reference.md', cliPage(helps));
mkdirSync('contrib/man', { recursive: true });
writeFileSync('contrib/man/gear.1', manPage(helps, version));
