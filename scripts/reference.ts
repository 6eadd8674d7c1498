/** npm run reference: writes docs/openapi.json and docs/reference.md from the definitions of the requests. */
import { readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../src/api/openapi/document.ts';
import { referencePage } from './reference/page.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
writeFileSync('docs/openapi.json', text);
writeFileSync('docs/reference.md', referencePage(JSON.parse(text)));
