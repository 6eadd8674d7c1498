import {
  type Document,
  type Operation,
  operationsOf,
  type Parameter,
  type Response,
  resolved,
  type Schema,
} from './document.ts';

/** The reference of the HTTP API as a page in Markdown. */
export function referencePage(document: Document): string {
  const all = operationsOf(document);
  const sections = document.tags.map(({ name, description }) => {
    const those = all.filter(({ operation }) => operation.tags.includes(name));
    return [`## ${description}`, ...those.map((one) => operationSection(document, one))].join('\n\n');
  });
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) =>
    schemaSection(name, schema),
  );
  return `${[
    '# Reference of the HTTP API',
    '`npm run reference` writes this page from [openapi.json](openapi.json); [api.md](api.md) tells how to use it.',
    document.info.description,
    ...sections,
    '## Documents',
    ...schemas,
  ].join('\n\n')}\n`;
}

interface Located {
  path: string;
  method: string;
  operation: Operation;
}

function operationSection(document: Document, { path, method, operation }: Located): string {
  const {
    operationId,
    summary,
    description,
    deprecated,
    'x-geard-actions': actions,
    requestBody,
  } = operation;
  const parameters = (operation.parameters ?? []).map((one) => resolved<Parameter>(document, one));
  const body = requestBody?.content['application/json']?.schema;
  return [
    `### ${method} ${path}`,
    [
      `${summary}.`,
      ...(description ? [description] : []),
      ...(deprecated ? ['Deprecated.'] : []),
      `Operation \`${operationId}\`${actions ? `, action ${actions.map((one) => `\`${one}\``).join(' or ')}` : ''}.`,
      ...(body ? [`Body: ${typeOf(body)}.`] : []),
    ].join(' '),
    ...(parameters.length > 0
      ? [table(['parameter', 'in', 'value', 'meaning'], parameters.map(parameterRow))]
      : []),
    table(
      ['status', 'answer'],
      Object.entries(operation.responses).map(([status, response]) =>
        responseRow(status, resolved<Response>(document, response)),
      ),
    ),
  ].join('\n\n');
}

const parameterRow = ({ name, in: place, schema, description = '' }: Parameter) => [
  `\`${name}\``,
  place,
  typeOf(schema),
  description,
];

function responseRow(status: string, { description, content = {} }: Response): string[] {
  const types = Object.entries(content)
    .filter(([type]) => Number(status) < 400 || type !== 'text/plain')
    .map(([type, { schema }]) => (type === 'application/json' ? typeOf(schema) : `\`${type}\``));
  return [
    status,
    [description, ...(Number(status) < 400 && types.length > 0 ? [types.join(', ')] : [])].join(': '),
  ];
}

function schemaSection(name: string, schema: Schema): string {
  const { properties, required = [] } = schema;
  if (!properties) return [`### ${name}`, typeOf(schema)].join('\n\n');
  const rows = Object.entries(properties).map(([field, one]) => [
    `\`${field}\``,
    required.includes(field) ? '' : 'optional',
    typeOf(one),
    one.description ?? '',
  ]);
  return [`### ${name}`, table(['field', '', 'value', 'meaning'], rows)].join('\n\n');
}

/** What a schema takes, in a few words. */
function typeOf(schema: Schema): string {
  const { $ref, anyOf, allOf, enum: values, const: value, type, format, items, properties } = schema;
  if ($ref) return linkTo($ref.split('/').at(-1) ?? '');
  if (anyOf) return anyOf.map(typeOf).join(' or ');
  if (allOf) return allOf.map(typeOf).join(' with ');
  if (value !== undefined) return `\`${value}\``;
  if (values) return values.map((one) => `\`${one}\``).join(', ');
  if (items) return `list of ${typeOf(items)}`;
  if (properties)
    return `{${Object.entries(properties)
      .map(([name, one]) => `\`${name}\`: ${typeOf(one)}`)
      .join(', ')}}`;
  if (type === undefined) return 'anything';
  return [format ?? [type].flat().join(' or '), ...boundsOf(schema)].join(', ');
}

function boundsOf({ minimum, maximum, maxLength, pattern, default: preset }: Schema): string[] {
  return [
    ...(minimum !== undefined && maximum !== undefined ? [`${minimum} to ${maximum}`] : []),
    ...(maxLength !== undefined ? [`at most ${maxLength} characters`] : []),
    ...(pattern !== undefined ? [`\`${pattern}\``] : []),
    ...(preset !== undefined ? [`default \`${JSON.stringify(preset)}\``] : []),
  ];
}

const linkTo = (name: string) => `[${name}](#${name.toLowerCase()})`;

/** A bar within a cell would end it. */
const cell = (text: string) => text.replaceAll('|', '\\|');

export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
