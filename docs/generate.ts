// Writes the references that are made from the program's tables: npm run docs
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { checkReference } from './generate-checks.ts';
import { commandReference } from './generate-commands.ts';
import { configurationReference } from './generate-configuration.ts';
import { connectionStringReference } from './generate-connection-strings.ts';
import { manPages } from './generate-man.ts';

await writeFile(new URL('checks.md', import.meta.url), checkReference());
await writeFile(new URL('commands.md', import.meta.url), await commandReference());
await writeFile(new URL('connection-strings.md', import.meta.url), connectionStringReference());
await writeFile(new URL('configuration.md', import.meta.url), configurationReference());

const man = new URL('man/', import.meta.url);
const pages = await manPages();
await mkdir(man, { recursive: true });
for (const name of await readdir(man)) if (!pages.some(({ file }) => file === name)) await rm(new URL(name, man));
for (const { file, text } of pages) await writeFile(new URL(file, man), text);
