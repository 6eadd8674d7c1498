import { type Comment, parseSync } from 'oxc-parser';

/** A function as the figures see it: its name, its first line, its length in lines and its complexity. */
export interface FunctionFigures {
  name: string;
  line: number;
  lines: number;
  complexity: number;
}

export interface Import {
  from: string;
  /** `import type`, or an import of nothing but types: gone at run time. */
  typeOnly: boolean;
}

export interface SourceFigures {
  lines: number;
  /** Lines that hold something besides blanks and comments. */
  codeLines: number;
  functions: FunctionFigures[];
  /** Type assertions, `as const` apart: that one asserts nothing. */
  assertions: number;
  /** Literals spread into a literal: `[...['a'], b]`, `{ ...{ a }, b }`. */
  literalSpreads: number;
  imports: Import[];
  expectations: number;
  tests: number;
}

/** A node of the ESTree that the parser gives. */
interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

/** Reads one TypeScript file. Throws where it does not parse. */
export function measureSource(name: string, text: string): SourceFigures {
  const { program, errors, comments } = parseSync(name, text);
  if (errors.length > 0) throw new Error(`${name}: ${errors[0]?.message}`);
  const lineOf = lineIndex(text);
  const figures: SourceFigures = {
    lines: linesOf(text).length,
    codeLines: linesOf(withoutComments(text, comments)).filter((line) => line.trim() !== '').length,
    functions: [],
    assertions: 0,
    literalSpreads: 0,
    imports: [],
    expectations: 0,
    tests: 0,
  };
  const root: unknown = program;
  if (!isNode(root)) throw new Error(`${name}: the parser gave no tree`);
  visit(root, null, (node, parent) => {
    const functionName = nameOfFunction(node, parent);
    if (functionName !== null) {
      const [line, last] = [lineOf(node.start), lineOf(node.end)];
      const complexity = 1 + branchesOf(node);
      figures.functions.push({ name: functionName, line, lines: last - line + 1, complexity });
    }
    if (node.type === 'TSAsExpression' && !isConst(node)) figures.assertions++;
    if (isLiteralSpread(node)) figures.literalSpreads++;
    const imported = importOf(node);
    if (imported) figures.imports.push(imported);
    const called = calledName(node);
    if (called === 'expect') figures.expectations++;
    if ((called === 'test' || called === 'it') && hasTitle(node)) figures.tests++;
  });
  return figures;
}

/** A Lua file has lines only; its comments begin with `--` and stand alone on their lines. */
export function measureLua(text: string): SourceFigures {
  const lines = linesOf(text);
  const codeLines = lines.filter((line) => line.trim() !== '' && !line.trim().startsWith('--')).length;
  return {
    lines: lines.length,
    codeLines,
    functions: [],
    assertions: 0,
    literalSpreads: 0,
    imports: [],
    expectations: 0,
    tests: 0,
  };
}

function visit(node: Node, parent: Node | null, each: (node: Node, parent: Node | null) => void): void {
  each(node, parent);
  for (const child of childrenOf(node)) visit(child, node, each);
}

const childrenOf = (node: Node): Node[] => Object.values(node).flat().filter(isNode);

const isFunction = ({ type }: Node) =>
  type === 'FunctionDeclaration' || type === 'FunctionExpression' || type === 'ArrowFunctionExpression';

/**
 * The name of a function that has one: declared, assigned to a variable, or a property or a method. Null for
 * everything else. A function without a name, such as a callback, counts to the one that holds it.
 */
function nameOfFunction(node: Node, parent: Node | null): string | null {
  if (!isFunction(node)) return null;
  if (isNode(node['id'])) return String(node['id']['name']);
  const isValue = parent?.['init'] === node || parent?.['value'] === node;
  if (!parent || !isValue) return null;
  const key = parent['id'] ?? parent['key'];
  return isNode(key) ? String(key['name'] ?? key['value']) : null;
}

const branching = new Set([
  'IfStatement',
  'ConditionalExpression',
  'ForStatement',
  'ForInStatement',
  'ForOfStatement',
  'WhileStatement',
  'DoWhileStatement',
  'LogicalExpression',
  'CatchClause',
]);

/** The branches of a function: cyclomatic complexity less one. Functions with names inside it have their own. */
function branchesOf(node: Node): number {
  let branches = 0;
  for (const child of childrenOf(node)) {
    if (nameOfFunction(child, node) !== null) continue;
    if (branching.has(child.type) || (child.type === 'SwitchCase' && child['test'] !== null)) branches++;
    branches += branchesOf(child);
  }
  return branches;
}

function isConst({ typeAnnotation: type }: Node): boolean {
  const name = isNode(type) && type.type === 'TSTypeReference' ? type['typeName'] : null;
  return isNode(name) && name['name'] === 'const';
}

function isLiteralSpread({ type, argument }: Node): boolean {
  if (type !== 'SpreadElement' || !isNode(argument)) return false;
  return argument.type === 'ArrayExpression' || argument.type === 'ObjectExpression';
}

function importOf(node: Node): Import | null {
  const { source } = node;
  if (!isNode(source) || typeof source['value'] !== 'string') return null;
  const specifiers = Array.isArray(node['specifiers']) ? node['specifiers'].filter(isNode) : [];
  const isType = (one: Node) => (one['importKind'] ?? one['exportKind']) === 'type';
  const onlyTypes = specifiers.length > 0 && specifiers.every(isType);
  return { from: source['value'], typeOnly: isType(node) || onlyTypes };
}

/** `expect` of `expect(1)`, `test` of `test(…)` and of `test.each(…)(…)`; null where nothing is called. */
function calledName(node: Node): string | null {
  if (node.type !== 'CallExpression' || !isNode(node['callee'])) return null;
  if (node['callee'].type === 'Identifier') return String(node['callee']['name']);
  for (let callee: Node = node['callee']; ; ) {
    const inner = callee['object'] ?? callee['callee'] ?? callee['tag'];
    if (!isNode(inner)) return null;
    if (inner.type === 'Identifier') return inner['name'] === 'expect' ? null : String(inner['name']);
    callee = inner;
  }
}

/** Whether a call of `test` defines a test, and is no `test.each(table)` or `test.skipIf(reason)`. */
function hasTitle(node: Node): boolean {
  const [title] = Array.isArray(node['arguments']) ? node['arguments'] : [];
  if (!isNode(title)) return false;
  return title.type === 'TemplateLiteral' || (title.type === 'Literal' && typeof title['value'] === 'string');
}

function withoutComments(text: string, comments: Comment[]): string {
  let bare = '';
  let at = 0;
  for (const { start, end } of comments) {
    bare += text.slice(at, start) + text.slice(start, end).replace(/[^\n]/g, ' ');
    at = end;
  }
  return bare + text.slice(at);
}

/** The lines of a text; the one that its last line feed ends is the last. */
const linesOf = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

function lineIndex(text: string): (offset: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => {
    const after = starts.findIndex((start) => start > offset);
    return after < 0 ? starts.length : after;
  };
}
