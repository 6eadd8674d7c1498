import type { CommandHelp } from './commands.ts';

const introduction = `# Reference of the command line

\`npm run reference\` writes this page from the help of the commands; [cli.md](cli.md) tells how to use them.`;

/** Every command and its options as a page in Markdown. */
export function cliPage(all: readonly CommandHelp[]): string {
  return `${[introduction, ...all.map(sectionOf)].join('\n\n')}\n`;
}

function sectionOf({ name, usage, summary, options }: CommandHelp): string {
  const rows = options.map(
    ({ flags, text }) => `| \`${inCell(flags)}\` | ${inCell(text).replaceAll('<', '&lt;')} |`,
  );
  const table = ['| option | meaning |', '| --- | --- |', ...rows].join('\n');
  return [`## ${name}`, `    ${usage}`, summary, ...(rows.length > 0 ? [table] : [])].join('\n\n');
}

/** A bar ends a cell, also one in code. */
const inCell = (text: string) => text.replaceAll('|', '\\|');
