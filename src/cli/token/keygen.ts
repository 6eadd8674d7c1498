import { type KeyRole, keyFiles, makeKeys } from '../../token/key-files.ts';

/** Creates keys for an issuer, for the daemons, or both, and describes the files. */
export async function keygen(directory: string, wanted: readonly KeyRole[]): Promise<string> {
  const made = await makeKeys(directory, wanted);
  return [
    ...made.flatMap(({ role, kid }) =>
      keyFiles(role, kid).map(({ file, what }) => `${directory}/${file}  ${what}\n`),
    ),
    'Daemons, apis and workers take the directory with --keys; they need its *.daemon.key and *.issuer.pub.\n',
    'To make tokens you need *.issuer.key and *.daemon.pub: gear token create --keys ...\n',
  ].join('');
}
