import { createServer } from 'node:net';
import { listening } from './listening.ts';

/** What a Redis answers to `ACL` and this word; default: as one that has no such user. */
type Answers = Partial<Record<'GETUSER' | 'SETUSER' | 'SAVE', string>>;
const usual: Answers = { GETUSER: '*-1' };

/** Opens what speaks as a Redis does; `sent` has the commands that begin with `ACL`. */
export async function openAclServer(answers: Answers = {}) {
  const sent: string[][] = [];
  const answer = ([name = '', about = '']: string[]) => {
    if (name.toLowerCase() !== 'acl') return '+OK';
    return { ...usual, ...answers }[about as keyof Answers] ?? '+OK';
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const text of String(data)
        .split(/^\*\d+\r\n/m)
        .slice(1)) {
        const command = text.split('\r\n').filter((_, i) => i % 2 === 1); // Lengths stand between.
        if (command[0] === 'ACL') sent.push(command.slice(1));
        socket.write(`${answer(command)}\r\n`);
      }
    });
  });
  return { url: `redis://${await listening(server)}`, sent };
}
