import { createProgram } from './program.ts';

// A reader that has seen enough, as head(1), is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
const program = await createProgram(process.argv.slice(2));
await program.parseAsync();
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
