import { type Operation, operations } from '../../src/api/openapi/operations.ts';

const head = `// Made by \`npm run reference\` from the definitions in src/jobs, which a browser need not load.

/** How each request is sent, and in which form its answer comes. */
export const operations = {
`;

/** The text of src/client/operations.ts. */
export function clientOperations(): string {
  const rows = operations()
    .filter(({ deprecated }) => !deprecated)
    .map((operation) => {
      const { name, method, path, select } = operation;
      const key = name.includes('.') ? `'${name}'` : name;
      const t = select === undefined ? '' : `, t: '${select}'`;
      return `  ${key}: { method: '${method}', path: '${path}'${t}, answer: '${formOf(operation)}' },\n`;
    });
  return `${head}${rows.join('')}} as const;\n`;
}

function formOf({ result, media }: Operation): 'job' | 'lines' | 'document' | 'text' | 'bytes' {
  if (result) return 'job';
  if (media.includes('application/x-ndjson')) return 'lines';
  if (media.includes('application/json')) return 'document';
  return media.includes('text/plain') ? 'text' : 'bytes';
}
