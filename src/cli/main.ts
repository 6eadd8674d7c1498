// A reader that has seen enough, as head(1), is no error: a change goes on, and whoever writes a
// stream learns of it by its own write.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
const words = process.argv.slice(2);
const createProgram = async (used?: readonly string[]) => (await import('./program.ts')).createProgram(used);
if (words[0] === '__complete') {
  // What the shells ask at every Tab: it has no time to load commander.
  const { printWords } = await import('./completion/complete.ts');
  await printWords(words.slice(1), createProgram);
} else {
  await (await createProgram(words)).parseAsync();
}
// What still holds the event loop must not keep a role alive that has been closed.
process.exit();
