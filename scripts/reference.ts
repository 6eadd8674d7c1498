/** npm run reference: writes docs/openapi.json, docs/reference.md and src/client/operations.ts from the definitions of requests. */
import { readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../src/api/openapi/document.ts';
import { clientOperations } from './reference/client-operations.ts';
import { referencePage } from './reference/page.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
writeFileSync('docs/openapi.json', text);
writeFileSync('docs/reference.md', referencePage(JSON.parse(text)));
writeFileSync('src/client/operations.ts', clientOperations());
