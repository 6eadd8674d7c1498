import type { CommandHelp } from './commands.ts';
import { table } from './page.ts';

const introduction = `# Reference of the command line

\`npm run reference\` writes this page from the help of the commands; [cli.md](cli.md) tells how to use them.`;

/** Every command and its options as a page in Markdown. */
export function cliPage(all: readonly CommandHelp[]): string {
  return `${[introduction, ...all.map(sectionOf)].join('\n\n')}\n`;
}

function sectionOf({ name, usage, summary, options }: CommandHelp): string {
  const rows = options.map(({ flags, text }) => [`\`${flags}\``, text.replaceAll('<', '&lt;')]);
  const all = rows.length > 0 ? [table(['option', 'meaning'], rows)] : [];
  return [`## ${name}`, `    ${usage}`, summary, ...all].join('\n\n');
}
