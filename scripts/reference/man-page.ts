import type { CommandHelp } from './commands.ts';

/** All commands as a page of the manual: man(7). */
export function manPage(all: readonly CommandHelp[], version: string): string {
  const [program, ...commands] = all;
  return `${[
    `.TH GEAR 1 "" "geard ${quoted(version)}" "User Commands"`,
    '.SH NAME',
    'gear \\- containers as systemd units, over HTTP',
    '.SH SYNOPSIS',
    '.B gear',
    '.I COMMAND',
    '[options]',
    '.SH DESCRIPTION',
    lineOf(program?.summary ?? ''),
    'Data goes to standard output, everything else to standard error.',
    '.SH COMMANDS',
    ...commands.flatMap(linesOf),
    '.SH EXIT STATUS',
    ...exits.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, meaning]),
    '.SH FILES',
    '.TP',
    '.I ~/.config/geard/contexts.json',
    'the contexts of this user',
    '.SH SEE ALSO',
    '.BR systemctl (1),',
    '.BR journalctl (1),',
    '.BR docker (1)',
  ].join('\n')}\n`;
}

const exits = [
  ['0', 'success'],
  ['1', 'it has failed'],
  ['2', 'wrong use'],
  ['3', 'gear host drift has found drift that gear host repair would undo'],
  ['130', 'interrupted by Ctrl-C; a job goes on'],
] as const;

function linesOf({ usage, summary, options }: CommandHelp): string[] {
  return [
    `.SS ${lineOf(usage)}`,
    lineOf(summary),
    ...options.flatMap(({ flags, text }) => ['.TP', `.B ${lineOf(flags)}`, lineOf(text)]),
  ];
}

const quoted = (text: string) => text.replaceAll('"', '\\(dq');

/** Text as troff prints it: no request at the beginning of a line, hyphens that can be copied. */
const lineOf = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
