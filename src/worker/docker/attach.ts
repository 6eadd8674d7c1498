import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { effect } from '../../lib/effect.ts';

const stderr = 2;
const headerLength = 8;
/** Maximum bytes of a frame, which holds one write: a longer one is no message for a person. */
const maxFrame = 1024 * 1024;

/**
 * Reads a container's stderr. The engine sends frames: one byte for the stream, three unused bytes,
 * four bytes of length (big-endian), and the data (Docker API, ContainerAttach). `demuxStream` of
 * the library would read ahead of us.
 */
export async function followErrors(
  docker: Dockerode,
  name: string,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const options = { stream: true, stdout: false, stderr: true, abortSignal: signal };
  const attach = () => docker.getContainer(name).attach(options);
  const stream = (await effect('docker.attach', attach)) as unknown as Readable;
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= headerLength) {
      const length = rest.readUInt32BE(4);
      if (length > maxFrame) throw new Error('the Docker engine sent a frame that is too long');
      if (rest.length < headerLength + length) break;
      if (rest[0] === stderr) onText(rest.toString('utf8', headerLength, headerLength + length));
      rest = rest.subarray(headerLength + length);
    }
  }
}
