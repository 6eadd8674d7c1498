import { createProgram } from './program.ts';

// A reader that has seen enough, as head(1), is no error: a change goes on, and whoever writes a
// stream learns of it by its own write.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
const program = await createProgram(process.argv.slice(2));
await program.parseAsync();
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
