import { createWriteStream } from 'node:fs';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Option } from 'commander';
import { archiveFormats } from '../../../jobs/rpc/streams.ts';
import { BadConfig } from '../../options/config.ts';
import { type ChangeFlags, change, placeOf } from '../change.ts';
import { hostOption } from '../fields.ts';
import type { Row } from '../row.ts';

/** `gear repo create NAME [URL]` */
export const create: Row<ChangeFlags> = {
  sends: ['repository.create'],
  takes: '<name> [url]',
  summary: 'create a bare repository: empty, a clone of a URL, or a copy of another repository',
  changes: 'by job',
  options: [hostOption('the host to create it on; default: the fleet decides')],
  run(call) {
    const [r = '', t] = call.args;
    return change(call, {
      names: [r],
      send: (_, options) => call.client.repository.create({ r, t, ...placeOf(call.flags) }, options),
      show: (name, { host, result }, seconds) =>
        `${name} is created on ${host}: ${result.head ?? 'it has no commit yet'}, in ${seconds}\n`,
    });
  },
};

interface ArchiveFlags {
  output?: string;
  format?: (typeof archiveFormats)[number];
  host?: string;
}

/** `gear archive NAME [REF]` */
export const archive: Row<ArchiveFlags> = {
  sends: ['content.archive'],
  json: false,
  options: [
    new Option('-o, --output <file>', 'where to write it; - is standard output').default('-'),
    new Option('--format <format>', 'default: from the extension of the file, else zip').choices(
      archiveFormats,
    ),
    hostOption('the host that it must be on'),
  ],
  async run(call) {
    const [r = '', ref] = call.args;
    const { output = '-', host } = call.flags;
    if (output === '-' && process.stdout.isTTY)
      throw new BadConfig('an archive is not for a terminal; name a file with -o');
    const format = call.flags.format ?? archiveFormats.find((one) => output.endsWith(`.${one}`));
    const response = await call.client.content.archive({ r, ref, format, h: host }, { signal: call.signal });
    if (output !== '-') await writeWhole(output, response);
    else for await (const chunk of response.body ?? []) await call.write(chunk);
    return 0;
  },
};

/**
 * Writes a whole archive or nothing: a broken download leaves no file. Writes straight to an
 * existing path that is not a file, such as a pipe.
 */
async function writeWhole(output: string, { body }: Response): Promise<void> {
  const file = await realpath(output).catch(() => output);
  const there = await stat(file).catch(() => null);
  if (there && !there.isFile()) return pipeline(Readable.from(body ?? []), createWriteStream(file));
  const unfinished = `${file}.part-${process.pid}`;
  try {
    await pipeline(Readable.from(body ?? []), createWriteStream(unfinished));
    await rename(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
}
