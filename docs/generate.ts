// Writes the references that are made from the program's tables: npm run docs
import { writeFile } from 'node:fs/promises';
import { checkReference } from './generate-checks.ts';
import { commandReference } from './generate-commands.ts';
import { configurationReference } from './generate-configuration.ts';

await writeFile(new URL('checks.md', import.meta.url), checkReference());
await writeFile(new URL('commands.md', import.meta.url), await commandReference());
await writeFile(new URL('configuration.md', import.meta.url), configurationReference());
