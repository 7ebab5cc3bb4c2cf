// The tutorial that runs: a throw-away PostgreSQL, its backups, an accident, and the way back to the moment before it.
//   npm run demo                  in ./demo
//   npm run demo -- /some/folder  in a folder of your choice
//   npm run demo -- --clean [folder]
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareForDemo } from '../machine/prepare.mjs';
import { claimFolder, cleanDemo } from './demo-folder.mjs';
import { runStory } from './story.mjs';

const repository = fileURLToPath(new URL('../..', import.meta.url));

async function main(words) {
  const wantsClean = words.includes('--clean');
  const unknown = words.find((word) => word.startsWith('-') && word !== '--clean');
  const folders = words.filter((word) => !word.startsWith('-'));
  if (unknown !== undefined || folders.length > 1) {
    console.error('usage: npm run demo [-- FOLDER | -- --clean [FOLDER]]');
    return 2;
  }
  const startedIn = process.env.INIT_CWD ?? process.cwd();
  const named = folders[0] ?? join(repository, 'demo');
  const folder = isAbsolute(named) ? named : resolve(startedIn, named);
  if (wantsClean) return await cleanDemo(folder);
  const postgres = await prepareForDemo();
  const place = await claimFolder(folder);
  return await runStory({ repository, postgres, place });
}

process.exitCode = await main(process.argv.slice(2));
