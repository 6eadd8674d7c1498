/** npm run picture: draws the folders of src and the imports between them into docs/architecture.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readTree } from './measure/tree.ts';
import { drawFolders, folderArrows } from './picture/folders.ts';
import { withPicture } from './picture/page.ts';

const path = 'docs/architecture.md';
const page = readFileSync(path, 'utf8');
writeFileSync(path, withPicture(page, drawFolders(folderArrows(readTree('.', 'src')))));
