// A reader that closes the pipe early, such as head(1), is no error: a change continues, and the
// writer of a stream notices at its own write.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
const words = process.argv.slice(2);
// Shells complete at every Tab, and scripts ask for the version: no time to load commander.
if (words[0] === '__complete') {
  const { printWords } = await import('./completion/complete.ts');
  await printWords(words.slice(1));
} else if (words.join() === '--version') {
  const { version } = await import('./version.ts');
  process.stdout.write(`${version}\n`);
} else {
  const { createProgram } = await import('./program.ts');
  await (await createProgram(words)).parseAsync();
}
// Open handles must not keep a closed role alive.
process.exit();
